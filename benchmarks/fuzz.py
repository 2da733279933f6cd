"""Feed random damage to every parser, file reader and route.

``python benchmarks/fuzz.py [--seconds N] [--seed N] [--only TEXT]``

Each target gets N seconds of inputs that are made from sound ones: bytes flipped, cut, doubled and replaced by odd texts. A
parser may refuse an input with an error of ours, a route with a status below 500 (or 502 to 504, where it calls a provider). All
else is a finding, which is printed; the exit code is then 1. The same seed makes the same inputs.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from meteorograph import __version__, create_app, init_db
from meteorograph.errors import MeteorographError
from meteorograph.journal.frames import damaged_length, iterate_frames, valid_length
from meteorograph.journal.reader import read_file
from meteorograph.locations.files import read_locations
from meteorograph.model.schedule import parse_schedule
from meteorograph.model.time_range import parse_duration, parse_instant
from meteorograph.model.units import parse_units
from meteorograph.providers.registry import PROVIDERS
from meteorograph.simulator import Simulator
from meteorograph.testing.current import payload_for_point
from meteorograph.testing.fixtures import encoded
from meteorograph.testing.reading import read
from support import KEY

Target = Callable[[random.Random], Any]

_ODD: Final = (
    *(b"", b"\0", b"\xff", b"'", b'"', b"null", b"NaN", b"1e999", b"-0", b"9" * 400, b"[" * 300, b"{}", b"\xef\xbb\xbf"),
    *("\u202e".encode(), "ä".encode(), b"=cmd()", b"<script>", b"%00", b"../..", b"\r\n", b";", b",", b"1.7976931348623157e308"),
)

_TIMES: Final = ("7d", "2026-03-01", "2026-03-01T12:00Z", "0001-01-01", "9999-12-31T23:59:59Z", "1h", "-1h", "now")
_WORDS: Final = (
    "json",
    "csv",
    "ndjson",
    "day",
    "hour",
    "month",
    "15m",
    "asc",
    "true",
    "metric,temperature:K",
    "London",
    "1",
    "0",
    "-1",
)


def damaged(rng: random.Random, sound: bytes) -> bytes:
    """The bytes with one to six places changed."""
    data = bytearray(sound)
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(data))
        match rng.randrange(5):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                del data[at : at + rng.randint(0, 20)]
            case 2:
                data[at:at] = data[at : at + rng.randint(0, 60)]
            case 3:
                data[at : at + rng.randint(0, 8)] = rng.choice(_ODD)
            case _:
                data[at:at] = rng.randbytes(rng.randint(0, 4))
    return bytes(data)


def _parsers() -> dict[str, Target]:
    targets: dict[str, Target] = {}
    for name, provider in PROVIDERS.items():
        fixtures = import_module(f"unit.providers.fixtures.{name.replace('-', '_')}").FIXTURES
        bodies = [encoded(fixtures.good), *(encoded(answer.body) for answer in fixtures.answers)]

        def parse(rng: random.Random, provider: Any = provider, fixtures: Any = fixtures, bodies: Any = bodies) -> None:
            status = rng.choice((200, 200, 200, 203, 304, 400, 401, 403, 404, 429, 500, 503))
            read(provider, payload_for_point(provider, fixtures, damaged(rng, rng.choice(bodies)), status=status))

        targets[f"parser {name}"] = parse
    return targets


def _texts(function: Callable[[str], object], *sound: str) -> Target:
    def call(rng: random.Random) -> None:
        text = damaged(rng, rng.choice(sound).encode()).decode("utf-8", "replace")
        try:
            function(text)
        except (ValueError, MeteorographError):
            pass

    return call


def _locations(format: str, sound: bytes) -> Target:
    def call(rng: random.Random) -> None:
        try:
            list(
                read_locations(
                    [damaged(rng, sound)] if format == "geojson" else damaged(rng, sound).splitlines(keepends=True), format
                )
            )
        except MeteorographError:
            pass

    return call


def _journal(folder: Path) -> Target:
    sound = next(
        iter(sorted(folder.rglob("*.mgj*")) or sorted(path for path in folder.rglob("*") if path.is_file()))
    ).read_bytes()
    path = folder / "fuzzed"

    def call(rng: random.Random) -> None:
        data = damaged(rng, sound)
        path.write_bytes(data)
        list(read_file(path))
        list(iterate_frames(data))
        assert 0 <= valid_length(data) <= len(data)
        assert damaged_length(data) >= 0

    return call


def _routes() -> Target:
    app = create_app()
    client = app.test_client()
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    names = (
        "location",
        "start",
        "end",
        "limit",
        "cursor",
        "fields",
        "units",
        "zone",
        "format",
        "bucket",
        "order",
        "total",
        "name",
    )

    def word(rng: random.Random) -> str:
        text = rng.choice((*_TIMES, *_WORDS))
        return damaged(rng, text.encode()).decode("utf-8", "replace") if rng.random() < 0.5 else text

    def call(rng: random.Random) -> None:
        rule = rng.choice(rules)
        method = rng.choice(sorted(rule.methods or {"GET"}))
        path = str(rule.rule)
        for argument in rule.arguments:
            path = path.replace(f"<{argument}>", quote(word(rng))).replace(f"<path:{argument}>", quote(word(rng)))
        query = {name: word(rng) for name in rng.sample(names, rng.randrange(5))}
        headers = {"X-Request-ID": word(rng).replace("\r", "").replace("\n", "")} if rng.random() < 0.2 else {}
        body = damaged(rng, b'{"lat": 51.5, "lon": -0.13, "name": "x", "latitude": 1, "longitude": 2, "tags": ["a"]}')
        kind = rng.choice(("application/json", "text/csv", "application/geo+json", "text/plain"))
        given: dict[str, Any] = {"data": body, "content_type": kind} if method in ("POST", "PATCH", "DELETE") else {}
        with client.open(path, method=method, query_string=query, headers=headers, **given) as answer:
            _ = answer.data
            assert answer.status_code < 500 or answer.status_code in (502, 503, 504), (
                f"{method} {path} {query} {given}: {answer.status}"
            )

    return call


def run(name: str, target: Target, seconds: float, seed: int) -> tuple[int, list[str]]:
    """Give a target inputs for some seconds; the number of inputs, and what was found."""
    findings: list[str] = []
    count, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline and len(findings) < 5:
        rng = random.Random(f"{seed} {name} {count}")
        count += 1
        try:
            target(rng)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            findings.append(
                f"input {count - 1}: {type(error).__name__}: {str(error)[:300]} ({Path(where.filename).name}:{where.lineno})"
            )
    return count, findings


def main() -> int:
    """Fuzz every target and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20, help="seconds for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only targets with this text in their name")
    arguments = parser.parse_args()
    print(f"meteorograph {__version__}, seed {arguments.seed}, {arguments.seconds:g} s for each target")
    found = 0
    with tempfile.TemporaryDirectory() as folder, Simulator(keys=(KEY,)) as simulator:
        os.chdir(folder)
        os.environ.update(
            OWM_API_KEY=KEY,
            METEOROGRAPH_OWM_BASE_URL=simulator.url,
            METEOROGRAPH_SCHEDULER_ENABLED="false",
            METEOROGRAPH_OWM_CALLS_PER_MINUTE="1000000",
            METEOROGRAPH_OWM_CALLS_PER_MONTH="100000000",
            LOG_LEVEL="CRITICAL",
        )
        init_db()
        now = datetime(2026, 3, 1, tzinfo=UTC)
        routes = _routes()
        create_app().test_client().post("/ingest")
        csv = b"name,latitude,longitude,elevation,timezone,schedule,tags\nParis,48.85,2.35,35,Europe/Paris,15m,a;b\n"
        csv += b'"x, y",1,2,,,,\n'
        point = b'{"type":"Feature","properties":{"name":"Paris"},"geometry":{"type":"Point","coordinates":[2.35,48.85]}}'
        targets = {
            **_parsers(),
            "file CSV": _locations("csv", csv),
            "file GeoJSON": _locations("geojson", b'{"type":"FeatureCollection","features":[' + point + b"," + point + b"]}"),
            "file journal": _journal(Path("data/journal")),
            "text schedule": _texts(parse_schedule, "15m", "0 6,18 * * *", "30 2 * * * Europe/Athens", "*/5 0-6 1,15 * 1-5 UTC"),
            "text duration": _texts(parse_duration, "15m", "1h", "90 s", "1d"),
            "text instant": _texts(lambda text: parse_instant(text, now), "2026-03-01T12:00+01:00", "7d", "2026-03-01"),
            "text units": _texts(parse_units, "metric", "si,temperature:K", "wind_speed:kn,visibility:km"),
            "routes": routes,
        }
        for name, target in targets.items():
            if arguments.only in name:
                count, findings = run(name, target, arguments.seconds, arguments.seed)
                found += len(findings)
                print(f"{name:24} {count:>10,} inputs  {len(findings)} findings", flush=True)
                for finding in findings:
                    print(f"  {finding}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
