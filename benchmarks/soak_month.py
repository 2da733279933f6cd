"""A month of slots at one go: ``python benchmarks/soak_month.py [--slots 720 --locations 2000 --seconds 20]``.

``meteorograph serve`` collects all locations from the simulator in short slots, with alerts, a webhook that fails, a file for
InfluxDB and readers of pages, rows and aggregates. Every few seconds the memory, descriptors and threads of its processes, the
write-ahead log and the files in its folder are counted. At the end the slopes of the second half are printed, and the lines of
the log that are not of level info. Needs a machine that does nothing else, and slots times seconds of time (4 hours).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from meteorograph.simulator import Simulator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from acceptance.books import add_locations, books  # found by the line above
from acceptance.processes import METEOROGRAPH, Process, Starter, ask

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
PATHS = (
    "/",
    "/health",
    "/metrics",
    "/data?limit=1000",
    "/data/latest?limit=1000",
    "/data/aggregate?bucket=hour&location=place+7",
    "/api/coverage?by=day",
    "/api/gaps",
    "/location?name=place+7",
)
#: What is counted → its unit.
UNITS = {"memory": "MB", "descriptors": "", "threads": "", "write-ahead log": "MB", "files": "", "folder": "MB"}

Sample = dict[str, float]


def main() -> int:
    """Run the soak; the exit code is 1 if the service did not end in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=720)
    parser.add_argument("--locations", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=20, help="Length of a slot.")
    parser.add_argument("--readers", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="meteorograph-soak-"))
    with Simulator(keys=(KEY,)) as simulator:
        code = soak(options, folder, simulator)
    shutil.rmtree(folder) if code == 0 else print(f"database and log: {folder}")
    return code


def soak(options: argparse.Namespace, folder: Path, simulator: Simulator) -> int:
    """Let the service collect while readers ask, and print what it needed."""
    os.environ |= {
        "DATABASE_URL": f"sqlite:///{folder}/data/soak.db",
        "OWM_API_KEY": KEY,
        "METEOROGRAPH_OWM_BASE_URL": simulator.url,
        "METEOROGRAPH_INTERVAL": f"{options.seconds}s",
        "METEOROGRAPH_JOURNAL_DIR": str(folder / "data" / "journal"),
        "METEOROGRAPH_OWM_CALLS_PER_MINUTE": "100000",
        "METEOROGRAPH_OWM_CALLS_PER_MONTH": "100000000",
        "METEOROGRAPH_INFLUXDB_FILE": str(folder / "telegraf.influx"),
        "METEOROGRAPH_WEBHOOKS": "log=http://127.0.0.1:9/hook",
    }
    add_locations((f"place {number}", number / 25 - 40, 10.0) for number in range(options.locations))
    simulator.set_faults("kind=status code=503 p=0.002")
    starter, stop, samples = Starter(folder), threading.Event(), list[Sample]()
    try:
        subprocess.run([METEOROGRAPH, "alerts", "add", "--operations"], check=True)
        service = starter.serve()
        address = service.address()
        readers = [threading.Thread(target=read, args=(address, stop, number)) for number in range(options.readers)]
        for reader in readers:
            reader.start()
        begin = time.monotonic()
        while time.monotonic() - begin < options.slots * options.seconds:
            samples.append({"hours": (time.monotonic() - begin) / 3600, **sample(service.pid, folder)})
            time.sleep(5)
        stop.set()
        for reader in readers:
            reader.join()
        code = service.end()
        report(samples, service, options)
        return code
    finally:
        stop.set()
        starter.close()


def read(address: str, stop: threading.Event, number: int) -> None:
    """Ask for one answer after the other, with half a second between two."""
    while not stop.wait(0.5):
        ask(address + PATHS[number % len(PATHS)])
        number += 1


def sample(pid: int, folder: Path) -> Sample:
    """Count what the service and its children use at this moment."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    statuses = [Path(f"/proc/{one}/status").read_text() for one in pids]
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    return {
        "memory": sum(_number("VmRSS", status) for status in statuses) / 1024,
        "descriptors": sum(len(os.listdir(f"/proc/{one}/fd")) for one in pids),
        "threads": sum(_number("Threads", status) for status in statuses),
        "write-ahead log": sum(path.stat().st_size for path in files if path.name.endswith("-wal")) / 1e6,
        "files": len(files),
        "folder": sum(path.stat().st_size for path in files) / 1e6,
    }


def _number(name: str, status: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    return int(found[1]) if found else 0


def report(samples: Sequence[Sample], service: Process, options: argparse.Namespace) -> None:
    """Print first, half, last and largest values, the slope of the second half, and what the log said."""
    second = samples[len(samples) // 2 :]
    print(f"{options.locations:,} locations, {options.slots} slots of {options.seconds} s, {len(samples)} samples")
    print(f"{'':<20}{'first':>10}{'half':>10}{'last':>10}{'largest':>10}{'slope of the second half':>30}")
    for name, unit in UNITS.items():
        values = [samples[0][name], second[0][name], samples[-1][name], max(one[name] for one in samples)]
        print(f"{name:<20}" + "".join(f"{value:>10,.1f}" for value in values) + f"{_slope(second, name):>20,.2f} {unit}/h")
    states = Counter(run.state for run in books().runs)
    print(f"runs {dict(states)}, rows {sum(map(len, books().stored.values())):,}")
    lines = Counter(re.findall(r"\[(?:warning|error|critical)\s*\] (.*?) \[meteorograph", service.output()))
    for line, count in lines.most_common():
        print(f"{count:>6} times in the log: {line}")


def _slope(samples: Sequence[Sample], name: str) -> float:
    """The slope of a straight line through the samples [1/h]."""
    hours, values = [one["hours"] for one in samples], [one[name] for one in samples]
    middle, mean = sum(hours) / len(hours), sum(values) / len(values)
    spread = sum((hour - middle) ** 2 for hour in hours)
    return sum((hour - middle) * (value - mean) for hour, value in zip(hours, values, strict=True)) / spread if spread else 0.0


if __name__ == "__main__":
    sys.exit(main())
