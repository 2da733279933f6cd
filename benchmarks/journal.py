"""What the payload journal costs: ``python benchmarks/journal.py [--payloads 20000]``.

Answers of the simulated OpenWeatherMap, each of another place, as a run of collection keeps them: size and time per payload of
the journal, of the same bytes written plainly, and of a zstd frame of its own for each, turn by turn; each figure is a median.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import zstandard

from meteorograph.journal.entry import Entry, make_entry
from meteorograph.journal.reader import read_file
from meteorograph.journal.writer import Journal
from meteorograph.model.values import Coordinates, DueLocation, Payload, Request
from meteorograph.simulator.dispatch import Keys
from meteorograph.simulator.model import Model
from meteorograph.simulator.routes import Routes

#: Writes payloads of locations into a folder.
Way = Callable[[Path, list[tuple[Payload, DueLocation]]], None]

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def payloads(many: int) -> list[tuple[Payload, DueLocation]]:
    """Answers for places all over the earth."""
    routes = Routes(source=Model(1), now=lambda: AT, seed=1, keys=Keys(frozenset(), None, None), limits={}, faults="")
    found = []
    for number in range(many):
        place = Coordinates(number * 37 % 12_000 / 100 - 60, number * 101 % 36_000 / 100 - 180)
        query = {"lat": str(place.latitude), "lon": str(place.longitude), "units": "metric"}
        words = "&".join(f"{name}={value}" for name, value in query.items())
        body = routes.answer("GET", f"/data/2.5/weather?{words}&appid=k").body
        request = Request("openweathermap", "https://api.openweathermap.org/data/2.5/weather", query, {"appid": "k" * 32})
        found.append((Payload(request, 200, body, AT, None), DueLocation(number + 1, f"place {number}", place)))
    return found


def journalled(folder: Path, given: list[tuple[Payload, DueLocation]], at_once: int = 1) -> None:
    """As the service does, when so many answers come at once."""
    journal = Journal(folder)
    for first in range(0, len(given), at_once):
        journal.append(*(make_entry(payload, "current", AT, [place]) for payload, place in given[first : first + at_once]))
    journal.close()


def plain(folder: Path, given: list[tuple[Payload, DueLocation]]) -> None:
    """The bodies alone, one after the other."""
    _each(folder, [payload.body for payload, _ in given], lambda body: body)


def framed(folder: Path, given: list[tuple[Payload, DueLocation]]) -> None:
    """The same entries, each in a frame of its own."""
    encoder, compressor = msgspec.msgpack.Encoder(), zstandard.ZstdCompressor(level=1)
    kept: list[Entry] = [make_entry(payload, "current", AT, [place]) for payload, place in given]
    _each(folder, [encoder.encode(one) for one in kept], compressor.compress)


def _each(folder: Path, bodies: list[bytes], made: Callable[[bytes], bytes]) -> None:
    file = os.open(folder / "file", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for body in bodies:
        os.write(file, made(body))
    os.fsync(file)
    os.close(file)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--payloads", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    given = payloads(options.payloads)
    ways: dict[str, Way] = {
        "bodies, plainly": plain,
        "a zstd frame each": framed,
        "the journal": journalled,
        "the journal, by 16": partial(journalled, at_once=16),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, int] = {}
    read: list[float] = []
    for _ in range(options.turns):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                way(Path(folder), given)
                taken[name].append(time.perf_counter() - began)
                sizes[name] = sum(path.stat().st_size for path in Path(folder).iterdir())
                if name == "the journal, by 16":
                    began = time.perf_counter()
                    assert sum(1 for path in Path(folder).iterdir() for _ in read_file(path)) == len(given)
                    read.append(time.perf_counter() - began)
    print(f"Python {platform.python_version()}, zstandard {zstandard.__version__}, msgspec {msgspec.__version__}")
    print(
        f"{len(given):,} payloads of {sum(len(one.body) for one, _ in given) / len(given):,.0f} bytes, medians of {options.turns}"
    )
    for name, times in taken.items():
        each = statistics.median(times) / len(given) * 1e6
        print(f"{name:20} {sizes[name] / len(given):8.1f} bytes a payload {each:8.2f} µs")
    print(f"{'read, by 16':20} {'':8}                 {statistics.median(read) / len(given) * 1e6:8.2f} µs")


if __name__ == "__main__":
    main()
