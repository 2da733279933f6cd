"""The name of the folder with the fallback database: processes with the same one share it while the database is away."""

from __future__ import annotations

import hashlib
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Differs between machines whose host names are the same, as in containers, and with each start of a machine.
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def site_name(folder: Path) -> str:
    """The name of a folder on this machine; two machines never have the same one where the system tells them apart."""
    parts = [socket.gethostname(), str(folder.absolute())]
    with suppress(OSError):
        found = folder.stat()
        parts = [socket.gethostname(), f"{found.st_dev}:{found.st_ino}"]
    with suppress(OSError):
        parts.append(_BOOT_ID.read_text(encoding="ascii"))
    return f"{socket.gethostname()[:100]}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:16]}"
