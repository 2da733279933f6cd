"""The areas from which threads get their memory."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from support import absent

#: Twenty threads that each need memory at the same time; prints how many areas glibc has made for them.
_PROGRAM = """
import ctypes, sys, threading
from meteorograph.server.memory import bound_arenas
if sys.argv[1] == "bound":
    bound_arenas()
together = threading.Barrier(20)
def work():
    together.wait()
    kept = [bytearray(60_000) for _ in range(200)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
c = ctypes.CDLL(None)
c.fopen.restype = ctypes.c_void_p
file = c.fopen(b"/dev/stdout", b"w")
c.malloc_info(0, ctypes.c_void_p(file))
c.fflush(ctypes.c_void_p(file))
"""


def _areas(word: str, **environment: str) -> int:
    kept = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, word],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.count("<heap nr=")


def test_threads_share_two_areas_unless_the_user_says_otherwise() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_info"):
        absent("glibc")
    free = _areas("free")
    if free < 3:
        pytest.skip("this machine makes no further areas by itself")
    assert _areas("bound") <= 2
    assert _areas("bound", MALLOC_ARENA_MAX="4") > 2
