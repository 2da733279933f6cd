"""``meteorograph runs``, ``gaps`` and ``coverage``: what they print, and how they end."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import pytest

from meteorograph import get_db_session
from meteorograph.cli import main
from meteorograph.ledger import claims, closing
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.storage.models import Location, WeatherData
from rows import insert_rows
from support import NOON

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def _call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command, on the clock of the test."""
    monkeypatch.setattr(sys, "argv", ["meteorograph", *args])
    with pytest.raises(SystemExit) as ended:
        main.main()
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def _collect(hours: int, missed: dict[int, str]) -> None:
    """Hourly slots up to noon: Athens misses those of these hours, São Tomé none."""
    with get_db_session() as session:
        for number, name in enumerate(("Athens", "São Tomé")):
            session.add(Location(name=name, latitude=number, longitude=9, state="active", created_at=NOON - 2 * hours * HOUR))
    empty = {column.name: None for column in WeatherData.__table__.columns} | {"origin": "live"}
    for back in reversed(range(hours)):
        at = NOON - back * HOUR
        claim = claims.claim_run(at, DEFAULT_SCHEDULE, Interval(HOUR))
        assert claim
        athens, other = claims.due_locations(claim, at)[0]
        closing.record_missed(
            [{"location_id": athens.id, "due_at": at, "reason": missed[back], "detail": "HTTP 500\nand more"}]
            if back in missed
            else []
        )
        for due in [other] if back in missed else [athens, other]:
            insert_rows([empty | {"location_id": due.id, "due_at": at, "fetched_at": at, "provider": "openweathermap"}])
        closing.finish_run(claim, 2, at + timedelta(seconds=12.3))


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *args: _call(monkeypatch, capsys, *args)


def test_runs_are_a_table_of_the_last_day(ask: Any) -> None:
    _collect(30, {1: "provider_error", 2: "quota"})
    code, out, err = ask("runs")
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 1 + 24)
    assert lines[0] == "due at (UTC)      schedule  state      due  stored  failed    took  calls  reasons"
    assert lines[1] == "2026-03-01 12:00  default   succeeded    2       2       0  12.3 s      2"
    assert lines[2] == "2026-03-01 11:00  default   partial      2       1       1  12.3 s      2  provider_error 1"
    assert lines[3].endswith("quota 1")
    assert max(map(len, lines)) <= 100
    assert len(ask("runs", "--start", "7d")[1].splitlines()) == 31
    assert (
        len(ask("runs", "--start", "2026-03-01T10:00", "--end", "2026-03-01T12:00Z", "--schedule", "default")[1].splitlines())
        == 3
    )
    assert len(ask("runs", "--state", "partial")[1].splitlines()) == 3
    assert ask("runs", "--schedule", "15m") == (0, "no runs\n", "")


def test_a_limit_that_leaves_something_out_says_so(ask: Any) -> None:
    _collect(3, {0: "quota", 2: "quota"})
    code, out, err = ask("runs", "--limit", "2")
    assert (code, len(out.splitlines())) == (0, 3)
    assert err == "meteorograph: there are more than 2; use --limit, --start and --end to see others\n"
    assert ask("runs", "--limit", "3")[2] == ""
    assert "more than 1;" in ask("gaps", "--limit", "1")[2]


def test_a_run_that_is_not_over_has_no_end(ask: Any) -> None:
    with get_db_session() as session:
        session.add(Location(name="Athens", latitude=1, longitude=9, state="active", created_at=NOON))
    assert claims.claim_run(NOON, DEFAULT_SCHEDULE, Interval(HOUR))
    [_, line] = ask("runs")[1].splitlines()
    assert line.split() == ["2026-03-01", "12:00", "default", "running", "1", "0", "0", "\N{EN DASH}", "0"]
    [_, line] = ask("coverage")[1].splitlines()
    assert line.split() == ["Athens", "1", "0", "0", "1", "0.0", "%"]


def test_gaps_are_a_table_and_something_that_was_not_collected(ask: Any) -> None:
    _collect(10, {1: "provider_error", 2: "provider_error", 5: "quota"})
    code, out, err = ask("gaps")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "location  from (UTC)        to                slots  reason          detail",
        "Athens    2026-03-01 10:00  2026-03-01 11:00      2  provider_error  HTTP 500 and more",
        "Athens    2026-03-01 07:00  2026-03-01 07:00      1  quota           HTTP 500 and more",
    ]
    assert ask("gaps", "--reason", "quota", "--location", "Athens")[0] == 1
    assert ask("gaps", "--location", "São Tomé") == (0, "no gaps\n", "")
    assert ask("gaps", "--start", "30min") == (0, "no gaps\n", "")
    assert ask("gaps", "--end", "6h")[:2] == (0, "no gaps\n")


def test_coverage_is_a_table_by_location_or_by_day(ask: Any) -> None:
    _collect(20, dict.fromkeys(range(3), "provider_error") | {15: "quota"})
    code, out, err = ask("coverage")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "location  due  stored  missed  pending  coverage  reasons",
        "Athens     20      16       4        0    80.0 %  provider_error 3, quota 1",
        "São Tomé   20      20       0        0   100.0 %",
    ]
    assert ask("coverage", "--by", "day", "--location", "Athens")[1].splitlines()[1:] == [
        "2026-02-28    7       6       1        0    85.7 %  quota 1",
        "2026-03-01   13      10       3        0    76.9 %  provider_error 3",
    ]
    assert ask("coverage", "--end", "2d", "--location", "Athens")[1].splitlines()[1].split()[-2:] == ["0", "\N{EN DASH}"]
    assert ask("coverage", "--by", "day", "--end", "2d") == (0, "nothing was due\n", "")


def test_coverage_has_every_location_however_many_there_are(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _collect(2, {})
    monkeypatch.setattr("meteorograph.cli.ledger._PAGE", 1)
    assert [line.split()[0] for line in ask("coverage")[1].splitlines()] == ["location", "Athens", "São"]


def test_only_what_is_complete_is_a_hundred_percent_text() -> None:
    from meteorograph.cli.ledger import _percent_text

    assert _percent_text(99_999 / 100_000) == "99.9 %"
    assert _percent_text(1.0) == "100.0 %"


def test_json_has_what_the_tables_have(ask: Any) -> None:
    _collect(3, {0: "quota"})
    code, out, _ = ask("gaps", "--json")
    at = NOON.isoformat()
    gap = {"location": "Athens", "from": at, "to": at, "slots": 1, "reason": "quota", "detail": "HTTP 500\nand more"}
    gap["unrecoverable"] = False
    assert (code, json.loads(out)) == (1, [gap])
    runs = json.loads(ask("runs", "--json")[1])
    assert [run["stored"] for run in runs] == [1, 2, 2]
    assert runs[0]["failed_by_reason"] == {"quota": 1}
    entries = json.loads(ask("coverage", "--json", "--by", "day")[1])
    missed = {"missed": 1, "missed_by_reason": {"quota": 1}, "unrecoverable": 0}
    counts = {"due": 6, "stored": 5, "backfilled": 0, **missed, "pending": 0, "coverage": 5 / 6}
    assert entries == [{"day": "2026-03-01", **counts}]
    assert json.loads(ask("gaps", "--json", "--location", "São Tomé")[1]) == []


@ONE_DATABASE
@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("runs", "--start", "yesterday"), 2, "--start yesterday: must be an ISO 8601 time such as"),
        (("gaps", "--end", "2026-13-01"), 2, "--end 2026-13-01: must be an ISO 8601 time such as"),
        (("coverage", "--start", "1h", "--end", "2h"), 2, "--start 1h: must be before the end, 2026-03-01T10:00:00+00:00"),
        (("coverage", "--by", "month"), 2, "'month' is not one of"),
        (("gaps", "--reason", "rain"), 2, "'rain' is not one of"),
        (("runs", "--limit", "0"), 2, "0 is not in the range"),
        (("gaps", "--location", "Atlantis"), 1, "no location is named 'Atlantis'"),
        (("coverage", "--location", "Atlantis"), 1, "no location is named 'Atlantis'"),
    ],
)
def test_what_is_wrong_is_one_line(ask: Any, args: tuple[str, ...], code: int, told: str) -> None:
    ended, out, err = ask(*args)
    assert (ended, out, len(err.splitlines())) == (code, "", 1), err
    assert err.startswith("meteorograph: ")
    assert told in err


@ONE_DATABASE
def test_the_words_that_are_taken_are_those_of_the_ledger() -> None:
    from meteorograph.cli import ledger
    from meteorograph.ledger import queries
    from meteorograph.storage.models import Missed, Run

    assert ledger._STATES == queries.RUN_STATES
    assert ledger._REASONS == queries.MISSED_REASONS
    for table, words in ((Run, queries.RUN_STATES), (Missed, queries.MISSED_REASONS)):
        constraints = " ".join(str(getattr(each, "sqltext", "")) for each in table.__table__.constraints)  # type: ignore[attr-defined]
        assert all(f"'{word}'" in constraints for word in words)
        assert constraints.count("'") == 2 * len(words)
