"""Where the CPU time of a location goes, by thread and stage: ``python benchmarks/stages.py [--rounds N]``.

Each round collects 10,000 locations at 100 ms with the bare client, with Meteorograph, and with Meteorograph while its stages are
measured, each in a process of its own (``ingest.py``). So the stages carry the same load of the machine as a run. To read the
clock takes about 1 µs, which a stage of the event loop includes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

import ingest  # type: ignore[import-not-found]  # it lies beside this file

LATENCY = 100
LOCATIONS = 10_000

#: Stage → module and name of the function that the run calls. Those of a stage are measured with all that they call.
LOOP_STAGES = {
    "take a batch": ("collecting.location_queue", "BatchQueue._take_from_queue"),
    "charge": ("collecting.quota_meter", "QuotaMeter.use"),
    "address": ("collecting.http", "_address"),
    "entry of the journal": ("collecting.request", "make_entry"),
    "frame and write": ("journal.writer", "Journal.append"),
    "parse": ("collecting.request", "_parse"),
    "dew point": ("collecting.observation", "derive_dew_point"),
    "impossible values": ("collecting.observation", "drop_impossible"),
    "row": ("collecting.worker_pool", "to_row"),
}
WRITER_STAGES = {
    "read due locations": ("ledger.claims", "due_locations"),
    "charge blocks": ("collecting.quota_meter", "charge_with_fallback"),
    "load the states of the checks": ("storage.check_states", "load_states"),
    "checks": ("storage.check_states", "check_batch"),
    "save the states of the checks": ("storage.check_states", "save_states"),
    "insert": ("storage.observations", "insert_or_replace"),
}

#: Stage → CPU time of its thread [s].
SPENT: defaultdict[str, float] = defaultdict(float)


def time_stage(stage: str, module: str, name: str) -> None:
    """Let a function add its CPU time to a stage."""
    owner: Any = import_module(f"meteorograph.{module}")
    if "." in name:
        class_name, name = name.split(".")
        owner = getattr(owner, class_name)
    real = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.thread_time()
        try:
            return real(*args, **kwargs)
        finally:
            SPENT[stage] += time.thread_time() - began

    setattr(owner, name, timed)


def thread_times() -> dict[str, float]:
    """CPU time [s] of the main thread (``loop``) and of the client's thread (``client``), and of all threads that run (Linux)."""
    spent: defaultdict[str, float] = defaultdict(float)
    for task in Path("/proc/self/task").iterdir():
        name = (task / "comm").read_text().strip()
        kind = "loop" if task.name == str(os.getpid()) else "client" if name.startswith("pyreqwest") else ""
        if kind:
            spent[kind] += int((task / "schedstat").read_text().split()[0]) / 1e9
    return spent


def of_side(side: str, port: int) -> dict[str, float]:
    """µs of CPU time of a location: in all, by thread and by stage. The rest of the threads is the writer."""
    real = ingest.measured

    def measured(work: Any) -> dict[str, float]:
        SPENT.clear()
        before = thread_times()
        figures: dict[str, float] = real(work)
        SPENT.update({name: spent - before[name] for name, spent in thread_times().items()})
        return figures

    ingest.measured = measured
    if side == "bare":
        figures = ingest.of_bare(port, LATENCY, LOCATIONS)
    else:
        for stage, (module, name) in {**LOOP_STAGES, **WRITER_STAGES}.items() if side == "stages" else ():
            time_stage(stage, module, name)
        figures = ingest.of_meteorograph(port, LATENCY, LOCATIONS)
    SPENT["all"] = figures["cpu"]
    return {stage: spent / LOCATIONS * 1e6 for stage, spent in SPENT.items()}


def in_process(side: str, port: int) -> dict[str, float]:
    """``of_side`` in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for command in (
            [str(ingest.HERE / "ingest.py"), "--latency", str(LATENCY), "--side", "setup"],
            [__file__, "--side", side],
        ):
            command = [sys.executable, *command, "--port", str(port)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{command} failed:\n{done.stderr[-2000:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))


def print_ladder(bare: dict[str, float], run: dict[str, float], timed: dict[str, float]) -> None:
    """Print the stages of each thread, and what is left of it."""
    writer = run["all"] - run["loop"] - run["client"]
    print(f"\n| | µs a location |\n|---|---|\n| bare client | {bare['all']:.0f} |")
    print(f"| its loop, its thread | {bare['loop']:.0f}, {bare['client']:.0f} |")
    print(f"| **run** | **{run['all']:.0f}**, {run['all'] / bare['all']:.2f} times |")
    print(f"| **client's thread** | **{run['client']:.0f}** |")
    for title, spent, stages in (("event loop", run["loop"], LOOP_STAGES), ("writer", writer, WRITER_STAGES)):
        print(f"| **{title}** | **{spent:.0f}** |")
        for stage in stages:
            print(f"| {stage} | {timed[stage]:.1f} |")
        print(f"| the rest of it | {spent - sum(timed[stage] for stage in stages):.0f} |")


def main() -> None:
    """Print the ladder, or one side's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=("bare", "run", "stages"))
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(of_side(given.side, given.port)))
        return
    taken: dict[str, list[dict[str, float]]] = {"bare": [], "run": [], "stages": []}
    with ingest.upstream() as port:
        for _ in range(given.rounds):
            for side, figures in taken.items():
                figures.append(in_process(side, port))
    print(f"{LOCATIONS:,} locations at {LATENCY} ms, {ingest.in_flight(LATENCY)} in flight, {os.cpu_count()} cores")
    print(f"medians of {given.rounds}")
    medians = [{name: statistics.median(one[name] for one in all_) for name in all_[0]} for all_ in taken.values()]
    print_ladder(*medians)


if __name__ == "__main__":
    main()
