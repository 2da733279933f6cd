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
        self._waiting: list[asyncio.Future[None]] = []

    async def append(self, entry: Entry) -> None:
        """Append an entry; when this returns it is written, or the journal has logged why not.

        The entry of a task that is cancelled meanwhile is written all the same.
        """
        loop = asyncio.get_running_loop()
        if not self._entries:
            loop.call_soon(self._write)
        self._entries.append(entry)
        written = loop.create_future()  # one for each task, because a cancelled task cancels what it waits for
        self._waiting.append(written)
        await written

    def _write(self) -> None:
        entries, self._entries = self._entries, []
        waiting, self._waiting = self._waiting, []
        try:
            self._journal.append(*entries)
        finally:
            for written in waiting:
                if not written.done():
                    written.set_result(None)
