"""The JSON objects of runs, gaps, coverage, locations and imports, as the API and the command line give them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..ledger.coverage import SlotCoverage
from ..ledger.gaps import Gap
from ..ledger.queries import RunView
from ..locations.importing import ImportPlan
from ..locations.views import LocationView


def run_object(run: RunView) -> dict[str, Any]:
    """A run as a JSON object."""
    return {
        "schedule": run.schedule,
        "due_at": run.due_at.isoformat(),
        "state": run.state,
        "reason": run.reason,
        "due": run.due,
        "stored": run.stored,
        "failed": run.failed,
        "failed_by_reason": run.failed_by_reason,
        "calls": run.calls,
        "started_at": _instant(run.started_at),
        "ended_at": _instant(run.ended_at),
    }


def gap_object(gap: Gap) -> dict[str, Any]:
    """A gap as a JSON object."""
    return {
        "location": gap.location,
        "from": gap.first_slot.isoformat(),
        "to": gap.last_slot.isoformat(),
        "slots": gap.slots,
        "reason": gap.reason,
        "detail": gap.detail,
        "unrecoverable": gap.is_unrecoverable,
    }


def coverage_object(entry: SlotCoverage) -> dict[str, Any]:
    """An entry of coverage as a JSON object, with ``location``, ``day`` and ``imported`` where the entry has them."""
    return {
        **({} if entry.location is None else {"location": entry.location}),
        **({} if entry.day is None else {"day": entry.day.isoformat()}),
        "due": entry.due,
        "stored": entry.stored,
        "backfilled": entry.backfilled,
        **({"imported": entry.imported} if entry.imported else {}),
        "missed": entry.missed,
        "missed_by_reason": entry.missed_by_reason,
        "unrecoverable": entry.unrecoverable,
        "pending": entry.pending,
        "coverage": entry.coverage,
    }


def location_object(location: LocationView) -> dict[str, Any]:
    """A location as a JSON object."""
    resolved = location.resolved
    return {
        "name": location.name,
        "latitude": location.latitude,
        "longitude": location.longitude,
        "elevation": location.elevation,
        "timezone": location.timezone,
        "schedule": location.schedule,
        "tags": location.tags,
        "state": location.state,
        "last_at": _instant(location.last_at),
        "resolved": resolved
        and {
            "name": resolved.name,
            "latitude": resolved.latitude,
            "longitude": resolved.longitude,
            "distance_km": resolved.distance_km,
        },
    }


def import_object(plan: ImportPlan) -> dict[str, Any]:
    """The outcome of an import as a JSON object."""
    return {
        "added": len(plan.added),
        "updated": len(plan.updated),
        "unchanged": plan.unchanged,
        "bad": plan.bad_count,
        "errors": [{"line": row.line, "reason": row.reason} for row in plan.bad],
        "warnings": plan.warnings,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
