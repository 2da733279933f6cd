"""What stands in for the database while it is away: a SQLite file beside the journal, with the same tables.

It knows the locations, the quotas and the accounts as they were when the database was last there. So the same ticks, claims and
charges go on in it, in all processes of this machine, and what is collected waits there until the database is back.
"""

from __future__ import annotations

from .bringing import bring_back
from .calling import call
from .charging import charge
from .file import standing_in
from .remembering import remember

__all__ = ["bring_back", "call", "charge", "remember", "standing_in"]
