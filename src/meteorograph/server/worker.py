"""One further collecting process of a service, started by its parent: ``python -m meteorograph.server.worker``."""

from __future__ import annotations

import os
import signal
import sys
import threading

from ..config.loading import load_settings
from ..errors import MeteorographError
from .serve import collect_forever


def _end_with_parent() -> None:
    """End in order when the parent has ended, however it did: the pipe from it ends then."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Collect until SIGTERM, or until the parent has ended; gives the exit code."""
    try:
        settings = load_settings(scheduler_enabled=True, workers=1)
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        collect_forever(settings)
    except MeteorographError as error:
        print(f"meteorograph worker: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
