"""Names and order of the fields of JSON objects, which clients depend on."""

from __future__ import annotations

from meteorograph.ledger.coverage import SlotCoverage
from meteorograph.ledger.gaps import Gap
from meteorograph.ledger.queries import RunView
from meteorograph.locations.importing import ImportPlan
from meteorograph.locations.views import LocationView, ResolvedPlace
from meteorograph.web.json_objects import coverage_object, gap_object, import_object, location_object, run_object
from support import NOON


def test_a_run() -> None:
    run = RunView("default", NOON, "pending", "quota", 3, 1, 1, {"quota": 1}, 4, NOON, None)
    made = run_object(run)
    assert list(made) == [
        "schedule", "due_at", "state", "reason", "due", "stored", "failed", "failed_by_reason", "calls", "started_at", "ended_at",
    ]  # fmt: skip
    assert (made["due_at"], made["started_at"], made["ended_at"]) == (NOON.isoformat(), NOON.isoformat(), None)


def test_a_gap() -> None:
    gap = Gap(1, "Cork", "down", NOON, NOON, 1, None, is_unrecoverable=True, is_start_known=True)
    assert list(gap_object(gap).items()) == [
        ("location", "Cork"),
        ("from", NOON.isoformat()),
        ("to", NOON.isoformat()),
        ("slots", 1),
        ("reason", "down"),
        ("detail", None),
        ("unrecoverable", True),
    ]


def test_coverage_by_location_and_day_and_by_one_of_them() -> None:
    counts = {"stored": 3, "backfilled": 1, "missed_by_reason": {"down": 1}, "unrecoverable": 0, "pending": 0}
    both = coverage_object(SlotCoverage("Cork", NOON.date(), 3, 1, {"down": 1}, 0, 0))
    assert list(both) == [
        "location", "day", "due", "stored", "backfilled", "missed", "missed_by_reason", "unrecoverable", "pending", "coverage",
    ]  # fmt: skip
    assert both == {"location": "Cork", "day": "2026-03-01", **counts, "due": 4, "missed": 1, "coverage": 0.75}
    assert "day" not in coverage_object(SlotCoverage("Cork", None, 3, 1, {}, 0, 0))
    by_day = coverage_object(SlotCoverage(None, NOON.date(), 0, 0, {}, 0, 0))
    assert "location" not in by_day
    assert by_day["coverage"] is None


def test_a_location() -> None:
    place = ResolvedPlace("Town", 1.0, 2.0, 3.0)
    made = location_object(LocationView("Cork", 51.9, -8.5, None, None, "1h", ["a"], "active", NOON, place))
    assert list(made) == [
        "name", "latitude", "longitude", "elevation", "timezone", "schedule", "tags", "state", "last_at", "resolved",
    ]  # fmt: skip
    assert list(made["resolved"]) == ["name", "latitude", "longitude", "distance_km"]
    assert made["last_at"] == NOON.isoformat()


def test_an_import() -> None:
    assert list(import_object(ImportPlan())) == ["added", "updated", "unchanged", "bad", "errors", "warnings"]
