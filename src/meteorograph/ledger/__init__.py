"""Stop 2 of the walk: takes a due slot, gives a claimed run, or nothing when somebody else has it or it is done.

The database elects: the UNIQUE constraint of ``runs`` and conditional updates whose row count is read. A claim is a lease;
when its holder dies it runs out, and another process finishes what is still missing, while the slot lasts.
"""

from __future__ import annotations

from .claiming import AHEAD, active_locations, beat, claim, due_locations, due_schedules, renew
from .closing import close_orphans, finish, left_behind, reasons, record_missed, recount, release
from .terms import Claim

__all__ = [
    "AHEAD",
    "Claim",
    "active_locations",
    "beat",
    "claim",
    "close_orphans",
    "due_locations",
    "due_schedules",
    "finish",
    "holder",
    "left_behind",
    "reasons",
    "record_missed",
    "recount",
    "release",
    "renew",
]
