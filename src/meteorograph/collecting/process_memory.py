"""What collecting remembers from run to run, for the life of the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .clock_check import ClockCheck
from .http_cache import HttpCache


@dataclass(slots=True)
class ProcessMemory:
    """Memory that runs share. A test that needs an empty one passes its own."""

    #: Provider → attempts in progress that it tolerates; as many as the settings allow where it has no entry.
    tolerated: dict[str, float] = field(default_factory=dict)
    http_cache: HttpCache = field(default_factory=HttpCache)
    clock_check: ClockCheck = field(default_factory=ClockCheck)
    #: Notices of providers that are in the log already.
    logged_notices: set[tuple[str, str]] = field(default_factory=set)

    def reset(self) -> None:
        """Forget everything."""
        self.tolerated.clear()
        self.http_cache = HttpCache()
        self.logged_notices.clear()
        self.clock_check.reset()


#: The memory of this process.
PROCESS_MEMORY: Final = ProcessMemory()
