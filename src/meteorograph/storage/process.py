"""The name of this process in leases and in the ledger."""

from __future__ import annotations

import os
import socket
from functools import cache


@cache
def _process_name(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def process_name() -> str:
    """The name of this process: host and process id."""
    return _process_name(os.getpid())
