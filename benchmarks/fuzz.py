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
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fuzz_targets import (  # type: ignore[import-not-found]  # it stands beside this script
    Target,
    journal,
    locations,
    parsers,
    routes,
    settings,
    texts,
    web_server,
)

from meteorograph import __version__, create_app, init_db
from meteorograph.model.schedule import parse_schedule
from meteorograph.model.time_range import parse_duration, parse_instant
from meteorograph.model.units import parse_units
from meteorograph.simulator import Simulator
from support import KEY


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
    with tempfile.TemporaryDirectory() as folder, Simulator(keys=(KEY,)) as simulator, ExitStack() as stack:
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
        all_routes = routes()
        create_app().test_client().post("/ingest")
        csv = b"name,latitude,longitude,elevation,timezone,schedule,tags\nParis,48.85,2.35,35,Europe/Paris,15m,a;b\n"
        csv += b'"x, y",1,2,,,,\n'
        point = b'{"type":"Feature","properties":{"name":"Paris"},"geometry":{"type":"Point","coordinates":[2.35,48.85]}}'
        targets = {
            **parsers(),
            "file CSV": locations("csv", csv),
            "file GeoJSON": locations("geojson", b'{"type":"FeatureCollection","features":[' + point + b"," + point + b"]}"),
            "file journal": journal(Path("data/journal")),
            "text schedule": texts(parse_schedule, "15m", "0 6,18 * * *", "30 2 * * * Europe/Athens", "*/5 0-6 1,15 * 1-5 UTC"),
            "text duration": texts(parse_duration, "15m", "1h", "90 s", "1d"),
            "text instant": texts(lambda text: parse_instant(text, now), "2026-03-01T12:00+01:00", "7d", "2026-03-01"),
            "text units": texts(parse_units, "metric", "si,temperature:K", "wind_speed:kn,visibility:km"),
            "file .env": settings(Path(".env")),
            "routes": all_routes,
            "web server": stack.enter_context(web_server()),
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
