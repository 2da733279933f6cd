"""What ``meteorograph serve`` does with twice the requests that it can answer.

``python benchmarks/overload.py`` measures how many requests a second it can answer, and then sends twice as many, each at its own
instant whatever became of those before it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from connections import answers, create_rows, environment  # type: ignore[import-not-found]  # it lies beside this file

from meteorograph.simulator import Simulator

#: Thirty days of one location.
PATH = "/data?location=place+1&limit=720"
CLIENTS, SECONDS = 8, 10


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder, Simulator(keys=()) as simulator:
        os.environ.update(environment(Path(folder), simulator))
        create_rows()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with subprocess.Popen([sys.executable, "-m", "meteorograph", "serve", "--port", str(port)]) as process:
            while not answers(f"http://127.0.0.1:{port}"):
                time.sleep(0.1)
            rate = asyncio.run(measure_capacity(port))
            print(
                f"{rate:.0f} requests/s with {CLIENTS} clients that wait for answers; {2 * rate:.0f} a second for {SECONDS} s:\n"
            )
            times = asyncio.run(send_at_rate(port, 2 * rate))
            process.terminate()
    print("| status | requests | p50, ms | p99, ms | worst, ms |\n|---|---|---|---|---|")
    for status, taken in sorted(times.items()):
        taken.sort()
        p50, p99, worst = (f"{1000 * one:.0f}" for one in (taken[len(taken) // 2], taken[len(taken) * 99 // 100], taken[-1]))
        print(f"| {status} | {len(taken)} | {p50} | {p99} | {worst} |")


async def measure_capacity(port: int) -> float:
    """Requests a second that are answered to a few clients."""
    end, count = time.perf_counter() + SECONDS, 0

    async def client() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await ask(port)
            count += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count / SECONDS


async def send_at_rate(port: int, rate: float) -> dict[str, list[float]]:
    """The times from the instants at which requests were due until their answers, by status."""
    times: dict[str, list[float]] = defaultdict(list)
    begun = time.perf_counter()

    async def send(due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        status = await ask(port)
        times[status].append(time.perf_counter() - due)

    await asyncio.gather(*(send(begun + number / rate) for number in range(int(rate * SECONDS))))
    return times


async def ask(port: int) -> str:
    """The status of an answer, read whole, on a connection of its own."""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer[9:12].decode() or "none"
    return "none"


if __name__ == "__main__":
    main()
