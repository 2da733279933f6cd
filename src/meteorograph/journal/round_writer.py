"""Write the entries of all answers that one round of the event loop brings at once: one frame and one write for many."""

from __future__ import annotations

import asyncio

from .entry import Entry
from .writer import Journal


class RoundWriter:
    """Appends entries to a journal, those of one round of the event loop together.

    Args:
        journal: The journal.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._entries: list[Entry] = []
        self._is_written = asyncio.Event()

    async def append(self, entry: Entry) -> None:
        """Append an entry; when this returns it is written, or the journal has logged why not.

        The entry of a task that is cancelled meanwhile is written all the same.
        """
        if not self._entries:
            self._is_written = asyncio.Event()
            asyncio.get_running_loop().call_soon(self._write)
        self._entries.append(entry)
        await self._is_written.wait()

    def _write(self) -> None:
        entries, self._entries = self._entries, []
        try:
            self._journal.append(*entries)
        finally:
            self._is_written.set()
