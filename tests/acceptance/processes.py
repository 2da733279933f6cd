"""Real processes of the service, asking them over HTTP, and waiting for what they are to do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

PYTHON = sys.executable
METEOROGRAPH = str(Path(sys.executable).with_name("meteorograph"))

#: How long anything may take before the test gives up [s]; on a quiet machine all of it takes a fraction.
DEADLINE = 120.0


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def until(condition: Callable[[], T], what: str, seconds: float = DEADLINE, pause: float = 0.02) -> T:
    """Poll until the condition gives something true, and give that; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(pause)


def ask(url: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """GET, or POST where there is a body, on a connection of its own; an error's answer is an answer too."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            return Answer(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


class Process:
    """A child with its own process group and its output in a file."""

    def __init__(self, command: list[str], environment: Mapping[str, str], output: Path) -> None:
        self._file = output
        with output.open("wb") as file:
            self._child = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The number of the process itself, not of those it starts."""
        return self._child.pid

    def output(self) -> str:
        """All that it and its children have written so far."""
        return self._file.read_text(errors="replace")

    def found(self, pattern: str) -> str:
        """The first group of the pattern, as soon as the output has it."""

        def look() -> list[str]:
            groups = re.findall(pattern, self.output())
            assert groups or self._child.poll() is None, f"ended with {self._child.returncode}:\n{self.output()}"
            return groups

        return until(look, f"{pattern!r} in the output")[0]

    def address(self) -> str:
        """Where it listens, as soon as it says so."""
        return self.found(r"(http://127\.0\.0\.1:\d+)")

    def kill(self) -> None:
        """SIGKILL."""
        self._child.kill()
        self._child.wait(DEADLINE)

    def suspend(self) -> None:
        """SIGSTOP."""
        self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._child.send_signal(signal.SIGCONT)

    def wait(self) -> int:
        """Its exit code, as soon as it has ended by itself."""
        return self._child.wait(DEADLINE)

    def end(self) -> int:
        """SIGTERM; gives the exit code, which must come in time."""
        self._child.terminate()
        return self._child.wait(DEADLINE)

    def close(self) -> None:
        """Leave nothing of it behind."""
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait(DEADLINE)


class Starter:
    """Starts processes that end with the test at the latest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[Process] = []

    def __call__(self, *command: str, **environment: str) -> Process:
        """Start a command with these variables on top of the environment of the test."""
        process = Process(list(command), environment, self._folder / f"output-{len(self._processes)}.txt")
        self._processes.append(process)
        return process

    def serve(self, **environment: str) -> Process:
        """``meteorograph serve`` on a free port."""
        return self(METEOROGRAPH, "serve", "--port", "0", **environment)

    def close(self) -> None:
        """End all of them."""
        for process in self._processes:
            process.close()

    def outputs(self) -> str:
        """What all of them have written, for the report of a failed test."""
        return "\n".join(f"--- {number} ---\n{one.output()}" for number, one in enumerate(self._processes))


def ask_all_workers(server: Process, workers: set[int], path: str, body: object = None) -> list[Answer]:
    """Ask until every worker of a gunicorn has answered once more; its access log says which one did."""
    address, begin = server.address(), len(server.output())
    answers: list[Answer] = []

    def have_answered() -> bool:
        with ThreadPoolExecutor(16) as pool:
            answers.extend(pool.map(lambda _: ask(address + path, body), range(16)))
        return {int(pid) for pid in re.findall(rf"answered by <(\d+)>: {path} ", server.output()[begin:])} >= workers

    until(have_answered, f"an answer of each of {workers}")
    return answers
