"""Processes that collect once, at a time of day that the test says, and may be killed on the way.

A new process for each is what a restart is; forked from one that has everything imported already, it takes no second to start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

#: Collects at an instant; killed after so many seconds, if any are given. Gives whether it was killed.
Collect = Callable[[datetime, float | None], bool]


@contextmanager
def forking(folder: Path) -> Iterator[Collect]:
    """What makes such processes, in the environment of the test."""
    with (folder / "forks.txt").open("wb") as output:
        command = [sys.executable, __file__]
        parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True)

    def collect(at: datetime, kill_after: float | None = None) -> bool:
        assert parent.stdin
        assert parent.stdout
        parent.stdin.write(f"{at.isoformat()} {'' if kill_after is None else kill_after}\n")
        parent.stdin.flush()
        told = parent.stdout.readline()
        assert told in ("killed\n", "0\n"), (told, (folder / "forks.txt").read_text(errors="replace")[-5000:])
        return told == "killed\n"

    with parent:
        yield collect
        assert parent.stdin
        parent.stdin.close()


def _main() -> None:
    from meteorograph.model import clock
    from meteorograph.model.clock import DrivenClock
    from meteorograph.scheduler import scheduled_ingest

    for line in sys.stdin:
        at, *kill_after = line.split()
        pid = os.fork()
        if pid == 0:
            with clock.driven_by(DrivenClock(datetime.fromisoformat(at))):
                scheduled_ingest()
            os._exit(0)
        print(_end(pid, float(kill_after[0]) if kill_after else None), flush=True)  # noqa: T201  # to the test


def _end(pid: int, kill_after: float | None) -> str:
    """How the child came to its end: killed, or with which code."""
    deadline = None if kill_after is None else time.monotonic() + kill_after
    while deadline is None or time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG if deadline else 0)
        if ended:
            return str(os.waitstatus_to_exitcode(status))
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "killed"


if __name__ == "__main__":
    _main()
