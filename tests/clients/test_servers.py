"""WSGI servers of others: under each one the service starts, collects each slot once and stops in time."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from acceptance.books import books
from acceptance.processes import PYTHON, Process, Starter, ask, until
from meteorograph.simulator import Simulator

#: How long a stop may take [s].
STOP_SECONDS = 10.0

UWSGI = (str(Path(PYTHON).with_name("uwsgi")), "--master", "--processes", "2", "--enable-threads", "--die-on-term", "--need-app")

#: Command with the place of its address. uwsgi imports the application before it forks its two workers. waitress has no handler
#: of SIGTERM: the signal ends it at once.
SERVERS = {
    "gunicorn": (PYTHON, "-m", "gunicorn", "--bind", "ADDRESS", "meteorograph.wsgi:app"),
    "uwsgi": (*UWSGI, "--http-socket", "ADDRESS", "--module", "meteorograph.wsgi"),
    "granian": (PYTHON, "-m", "granian", "--interface", "wsgi", "--port", "PORT", "meteorograph.wsgi:app"),
    "hypercorn": (PYTHON, "-m", "hypercorn", "--bind", "ADDRESS", "wsgi:meteorograph:create_app()"),
    "waitress": (PYTHON, "-m", "waitress", "--listen", "ADDRESS", "--call", "meteorograph:create_app"),
}


def _start(start: Starter, name: str) -> tuple[Process, str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"127.0.0.1:{port}"
    command = (word.replace("ADDRESS", address).replace("PORT", str(port)) for word in SERVERS[name])
    return start(*command), f"http://{address}"


def _is_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database")
def test_it_collects_each_slot_once_and_stops_in_time(start: Starter, collecting: Simulator, name: str) -> None:
    server, address = _start(start, name)
    until(lambda: len(books().ended()) >= 2, "two slots", pause=0.2)
    assert len(ask(f"{address}/data").json["data"]) >= 2
    began = time.monotonic()
    assert server.end() in (0, -15), server.output()
    until(lambda: not _is_left(server.pid), "the end of its workers", STOP_SECONDS)
    assert time.monotonic() - began < STOP_SECONDS
    kept = books()
    taken_over = server.output().count("taken_over=True")
    open_runs = sum(run.state in ("running", "pending") for run in kept.runs)
    assert {run.state for run in kept.ended()} == {"succeeded"}
    assert 0 <= collecting.count() - len(kept.stored) <= taken_over + open_runs
    assert open_runs <= 1
