"""Log lines: console and JSON, ids from the context, the rotating file, and setting up more than once."""

from __future__ import annotations

import json
import logging
import logging.handlers
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars, clear_contextvars

from meteorograph.config.loading import load_settings
from meteorograph.errors import ConfigurationError
from meteorograph.logs import get_logger, setup_logging
from meteorograph.model.flags import Flag
from meteorograph.model.states import MissedReason, RunState

log = get_logger("meteorograph.of_this_test")
theirs = logging.getLogger("other.package")


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    level, before, factory = root.level, list(root.handlers), logging.getLogRecordFactory()
    clear_contextvars()
    yield
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.captureWarnings(False)
    logging.setLogRecordFactory(factory)
    for name in ("apscheduler", "alembic", "werkzeug"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_json_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format="json"))
    log.info("stored", rows=3, at=datetime(2026, 3, 1, tzinfo=UTC), names={"Zürich"}, where=Path("a\nb"))
    theirs.warning("two\nlines of %s", "theirs")
    ours, foreign = _lines(capsys.readouterr().err)
    assert (ours["event"], ours["level"], ours["logger"], ours["rows"]) == ("stored", "info", "meteorograph.of_this_test", 3)
    assert (foreign["event"], foreign["level"], foreign["logger"]) == ("two\nlines of theirs", "warning", "other.package")
    for line in (ours, foreign):
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
        assert not {name for name in line if name.startswith("_")}


@pytest.mark.parametrize("form", ["console", "json"])
def test_states_are_written_as_plain_text(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format=form))
    log.info("run ended", state=RunState.PARTIAL, missed={MissedReason.QUOTA: 3}, flags=[Flag.STALE])
    written = capsys.readouterr().err
    assert "partial" in written
    assert "quota" in written
    assert "stale" in written
    assert "<" not in written


def test_a_traceback_is_a_field_of_its_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format="json"))
    for logger in (log, theirs):
        try:
            raise LookupError("nothing there")
        except LookupError:
            logger.exception("failed")
    log.info("here", stack_info=True)
    theirs.info("here", stack_info=True)
    *failed, our_stack, their_stack = _lines(capsys.readouterr().err)
    for line in failed:
        assert (line["event"], line["level"]) == ("failed", "error")
        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("\nLookupError: nothing there")
    assert "Stack (most recent call last)" in our_stack["stack"]
    assert "Stack (most recent call last)" in their_stack["stack_info"]


def test_console_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format="console"))
    log.info("stored", rows=3)
    theirs.warning("from %s", "theirs")
    try:
        raise LookupError("nothing there")
    except LookupError:
        theirs.exception("failed")
    first, second, third, *trace = capsys.readouterr().err.splitlines()
    assert "[info" in first
    assert first.endswith("stored [meteorograph.of_this_test] rows=3")
    assert "[warning" in second
    assert "from theirs [other.package]" in second
    assert "failed" in third
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "LookupError: nothing there"
    assert not {"\x1b"} & set(first + second)


@pytest.mark.parametrize("form", ["json", "console"])
def test_ids_from_the_context_are_on_every_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format=form))
    with bound_contextvars(request_id="r-1", run_id=7):
        log.info("ours")
        theirs.info("theirs")
    log.info("outside")
    ours, foreign, outside = capsys.readouterr().err.splitlines()
    for line in (ours, foreign):
        told = json.loads(line) if form == "json" else dict(pair.split("=") for pair in line.split() if "=" in pair)
        assert (told["request_id"], str(told["run_id"])) == ("r-1", "7")
    assert "r-1" not in outside


@pytest.mark.parametrize(
    ("level", "told"), [("DEBUG", "diwe"), ("INFO", "iwe"), ("WARNING", "we"), ("ERROR", "e"), ("CRITICAL", "")]
)
def test_the_level_is_heeded(level: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format="json", log_level=level))
    for logger in (log, theirs):
        logger.debug("d")
        logger.info("i")
        logger.warning("w")
        logger.error("e")
    assert "".join(line["event"] for line in _lines(capsys.readouterr().err)) == told * 2


def test_noisy_libraries_are_quiet_but_for_faults(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format="json", log_level="INFO"))
    logging.getLogger("apscheduler.scheduler").warning("skipped")
    logging.getLogger("apscheduler.scheduler").error("broken")
    logging.getLogger("alembic.runtime").info("context")
    assert [line["event"] for line in _lines(capsys.readouterr().err)] == ["broken"]
    setup_logging(load_settings(log_level="CRITICAL"))
    logging.getLogger("apscheduler.scheduler").error("broken")
    assert capsys.readouterr().err == ""


def test_setting_up_twice_doubles_no_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for form in ("console", "json"):
        setup_logging(load_settings(log_format=form, log_file=tmp_path / "a.log"))
    log.info("once")
    assert [line["event"] for line in _lines(capsys.readouterr().err)] == ["once"]
    assert [line["event"] for line in _lines((tmp_path / "a.log").read_text())] == ["once"]
    setup_logging(load_settings(log_format="json"))
    log.info("twice")
    assert "twice" not in (tmp_path / "a.log").read_text()


def test_handlers_of_others_stay(caplog: pytest.LogCaptureFixture) -> None:
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    setup_logging(load_settings())
    setup_logging(load_settings())
    log.info("for all", rows=3)
    theirs.info("for all too")
    assert other in logging.getLogger().handlers
    assert [record.name for record in caplog.records] == ["meteorograph.of_this_test", "other.package"]


def test_the_log_file_is_made_and_turned_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "folder" / "service.log"
    setup_logging(load_settings(log_format="json", log_file=path, log_file_bytes=10_000, log_file_count=2))
    for number in range(400):
        log.info("line", number=number, name="Zürich")
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["service.log", "service.log.1", "service.log.2"]
    assert all(0 < file.stat().st_size <= 10_000 for file in files)
    kept = [line["number"] for file in reversed(files) for line in _lines(file.read_text(encoding="utf-8"))]
    assert kept == list(range(kept[0], 400))
    assert len(capsys.readouterr().err.splitlines()) == 400


def test_a_full_disk_of_the_log_file_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format="json", log_file="/dev/full"))
    for number in range(5):
        log.info("line", number=number)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if not line.startswith("{")] == ["METEOROGRAPH_LOG_FILE=/dev/full: No space left on device"]
    assert len(lines) == 6


def test_a_second_start_appends(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for event in ("first", "second"):
        setup_logging(load_settings(log_format="json", log_file=path))
        log.info(event)
    assert [line["event"] for line in _lines(path.read_text())] == ["first", "second"]


@pytest.mark.parametrize(
    ("path", "reason"), [("folder", "Is a directory"), ("file/a.log", "File exists"), ("x" * 300, "File name too long")]
)
def test_a_log_file_that_cannot_be_written(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = list(logging.getLogger().handlers)
    with pytest.raises(ConfigurationError) as caught:
        setup_logging(load_settings(log_file=path))
    assert str(caught.value) == f"METEOROGRAPH_LOG_FILE={path}: {reason}; it must be a writable file"
    assert logging.getLogger().handlers == before


def test_warnings_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(load_settings(log_format="json"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # what an earlier test has set up counts for nothing here
        setup_logging(load_settings(log_format="json"))
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    (line,) = _lines(capsys.readouterr().err)
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "DeprecationWarning: old ways" in line["event"]


def test_without_settings_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("LOG_LEVEL", "error")
    setup_logging()
    log.warning("not told")
    log.error("told")
    assert [line["event"] for line in _lines(capsys.readouterr().err)] == ["told"]
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(ConfigurationError, match=r"^LOG_LEVEL=loud: must be DEBUG, INFO, WARNING, ERROR or CRITICAL$"):
        setup_logging()
