"""Writes which slot each old row has become: a CSV file for programs that know the old ids."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from .plan import ImportPlan


def write_keys(plan: ImportPlan, path: Path) -> None:
    """Write ``old_id,location,due_at,same_slot_as``; the last one has the id whose row the slot has, if that is another one."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("old_id", "location", "due_at", "same_slot_as"))
        for location_id, preview in zip(plan.counts, plan.previews, strict=True):
            for row in plan.staging.read(location_id):
                writer.writerow((row.line, preview.name, row.due_at.isoformat(), ""))
        for repeat in plan.repeats:
            writer.writerow((repeat.line, repeat.location, repeat.due_at.isoformat(), repeat.first_line))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
