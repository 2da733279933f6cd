"""``meteorograph doctor``: each thing that is wrong is found by its check, and no provider is called more than once a key."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from meteorograph import get_db_session
from meteorograph.cli import main
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import ENGINES

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def examine(database: str, collecting: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Exit code, and check → state and text of each finding that is not ok."""

    def call(*args: str) -> tuple[int, dict[str, tuple[str, str]]]:
        monkeypatch.setattr(sys, "argv", ["meteorograph", "doctor", "--json", *args])
        with pytest.raises(SystemExit) as ended:
            main.main()
        findings = json.loads(capsys.readouterr().out)
        assert isinstance(ended.value.code, int)
        wrong = {one["check"]: (one["state"], one["text"]) for one in findings if one["state"] != "ok"}
        return ended.value.code, wrong

    return call


def test_all_is_well_but_for_backups(examine: Any, collecting: Simulator) -> None:
    code, wrong = examine()
    assert (code, set(wrong)) == (0, {"backups"})
    assert [collecting.count(name) for name in ("openweathermap", "weatherstack")] == [1, 1]
    examine("--no-calls")
    assert collecting.count() == 2


@ONE_DATABASE
def test_a_channel_that_cannot_work_is_a_problem(
    examine: Any, database: str, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", "phone=json://127.0.0.1:9/x")
    assert examine("--no-calls")[1]["alerts"] == (
        "warning",
        "there are channels but no rules: run meteorograph alerts add --operations",
    )
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", "phone=foo://nobody")
    monkeypatch.setenv("METEOROGRAPH_WEBHOOKS", "log=http://127.0.0.1:9/x")
    assert examine("--no-calls")[0] == 1


@ONE_DATABASE
def test_each_fault_is_found_by_its_check(
    examine: Any, database: str, collecting: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METEOROGRAPH_INTREVAL", "5")
    monkeypatch.setenv("OWM_API_KEY", "a-wrong-key")
    monkeypatch.setenv("METEOROGRAPH_BACKUP_DIR", str(tmp_path / "backups"))
    (tmp_path / "journal").write_text("a file where the folder should be")
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_DIR", str(tmp_path / "journal"))
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_STORE", f"file://{tmp_path}/share")
    path = Path(make_url(database).database or "")
    path.chmod(0o644)
    code, wrong = examine()
    assert code == 1
    assert wrong["settings"] == (
        "warning",
        "METEOROGRAPH_INTREVAL is not a setting and has no effect: did you mean METEOROGRAPH_INTERVAL?",
    )
    assert wrong["keys"][0] == "problem"
    assert "401" in wrong["keys"][1]
    assert wrong["journal"] == ("problem", f"{tmp_path / 'journal'} is no folder")
    assert wrong["journal store"] == (
        "problem",
        f"the journal store file://{tmp_path}/share cannot be used: No such file or directory",
    )
    assert wrong["permissions"][0] == "warning"
    assert f"chmod o= {path}" in wrong["permissions"][1]
    assert wrong["backups"] == ("warning", "there is none yet")
    with get_db_session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    ENGINES.reset()
    code, wrong = examine()
    assert (code, wrong["database"][0]) == (1, "problem")
    assert "upgrade the program" in wrong["database"][1]
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "none")
    code, wrong = examine()
    assert (code, set(wrong)) == (1, {"settings"})
    assert "METEOROGRAPH_CONCURRENCY=none" in wrong["settings"][1]
