"""The name of this process in leases and in the ledger."""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache

#: Containers may share a host name, and the first process of each has the id 1: this tells them apart.
_suffix = secrets.token_hex(4)


@cache
def _process_name(pid: int) -> str:
    return f"{socket.gethostname()}-{_suffix}:{pid}"


def process_name() -> str:
    """The name of this process, which no other process has: host, random text and process id."""
    return _process_name(os.getpid())


def _renew_suffix() -> None:
    global _suffix
    _suffix = secrets.token_hex(4)
    _process_name.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_suffix)
