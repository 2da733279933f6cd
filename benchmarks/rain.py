"""How true totals of rain are: ``METEOROGRAPH_SERIES_DIR=FOLDER python benchmarks/rain.py [--seeds N] [--stations N]``.

The truth are the hourly amounts of the Irish stations in 2017, each spread evenly over its hour. A provider gives the amount of
the last hour at each slot, observed late by a random time (the jitter). Each rule makes totals of days from these amounts; its
sum is compared with the truth of the seconds that it covers.

- ``meteorograph``: ``model/precipitation_totals.py``;
- ``newest`` and ``mean``: where several windows cover a second, the newest speaks, or the mean of the two rates counts, in place
  of the earliest;
- ``drop``: a window that overlaps a placed one by more than ten minutes is dropped, as in version 0.1;
- ``plain``: the plain sum of the amounts that were observed on the day, as if they filled it.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import recorded_series as series
from meteorograph import __version__
from meteorograph.model.precipitation_totals import Stretch, Window, rate_stretches

HOUR, DAY = 3600, 86400
WET = 1.0  # [mm]

#: Makes the rates of a station's windows.
Rule = Callable[[Sequence[Window]], Iterable[Stretch]]


class Truth:
    """The true rain of a station: hour → amount [mm]; None where it was not measured."""

    def __init__(self, hours: dict[int, float | None]) -> None:
        self.first = min(hours)
        count = (max(hours) - self.first) // HOUR + 1
        amounts = [hours.get(self.first + n * HOUR) for n in range(count)]
        self._amounts = list(accumulate((amount or 0.0 for amount in amounts), initial=0.0))
        self._missing = list(accumulate((int(amount is None) for amount in amounts), initial=0))

    def fell(self, start: float, end: float) -> float:
        """What fell between two instants [mm]."""
        return self._until(end) - self._until(start)

    def is_known(self, start: float, end: float) -> bool:
        """Whether each hour between two instants was measured."""
        last = min(len(self._missing) - 1, -int((self.first - HOUR - end) // HOUR))
        first = int((start - self.first + HOUR) // HOUR)
        return first >= 0 and self._missing[last] == self._missing[first]

    def _until(self, at: float) -> float:
        hours = (at - self.first + HOUR) / HOUR
        n = min(max(int(hours), 0), len(self._amounts) - 1)
        following = self._amounts[min(n + 1, len(self._amounts) - 1)]
        return self._amounts[n] + (following - self._amounts[n]) * min(max(hours - n, 0.0), 1.0)


def newest(windows: Sequence[Window]) -> list[Stretch]:
    """The newest window speaks; of each older one the part before it counts pro rata."""
    stretches, limit = [], float("inf")
    for end, seconds, amount in sorted(windows, reverse=True):
        assert seconds is not None
        if min(end, limit) > end - seconds:
            stretches.append(Stretch(end - seconds, min(end, limit), amount / seconds))
        limit = min(limit, end - seconds)
    return stretches[::-1]


def mean(windows: Sequence[Window]) -> list[Stretch]:
    """Where the neighbours of a window overlap it, the mean of the two rates."""
    ordered = sorted(windows)
    rates = [Stretch(end - (seconds or 0), end, amount / (seconds or 1)) for end, seconds, amount in ordered]
    stretches: list[Stretch] = []
    for n, (start, end, rate) in enumerate(rates):
        first = max(start, rates[n - 1].end) if n else start
        last = min(end, rates[n + 1].start) if n + 1 < len(rates) else end
        parts = [Stretch(first, last, rate)]
        if n + 1 < len(rates):
            parts.append(Stretch(max(first, last), end, (rate + rates[n + 1].rate) / 2))
        stretches += [part for part in parts if part.start < part.end]
    return stretches


def drop(windows: Sequence[Window], slack: float = 600) -> list[Stretch]:
    """A window that overlaps the one before by more than the slack is dropped; of a smaller overlap only the time is cut off."""
    stretches: list[Stretch] = []
    for end, seconds, amount in sorted(windows):
        assert seconds is not None
        start = end - seconds
        if stretches and start < stretches[-1].end:
            if stretches[-1].end - start > slack:
                continue
            start = stretches[-1].end
        stretches.append(Stretch(start, end, amount / (end - start)))
    return stretches


def plain(windows: Sequence[Window]) -> list[Stretch]:
    """Each amount falls at once, when it is observed."""
    return [Stretch(end - 1e-3, end, amount / 1e-3) for end, _, amount in windows]


RULES: dict[str, Rule] = {"meteorograph": rate_stretches, "newest": newest, "mean": mean, "drop": drop, "plain": plain}


class Figures(NamedTuple):
    """How far the totals of days are from the truth."""

    #: Of all days together [%].
    bias: float
    #: Relative error that 95 % of wet days stay below [%].
    worst: float
    #: Bias of ``sum_estimated`` against the whole day [%].
    estimate: float
    #: Covered share of the days [%].
    covered: float


def observe(truth: Truth, slots: Iterable[int], jitter: int, rng: random.Random) -> list[Window]:
    """The amounts of the hour before each observation, ``jitter`` minutes late at most."""
    ends = [slot + rng.randint(0, jitter * 60) for slot in slots]
    return [Window(end, HOUR, truth.fell(end - HOUR, end)) for end in ends if truth.is_known(end - HOUR, end)]


def compare(
    truths: Sequence[Truth], days: range, rule: Rule, jitter: int, step: int, seeds: Sequence[int], whole: bool
) -> Figures:
    """The figures of a rule; ``whole`` compares with the whole day, for rules that know no coverage."""
    said = fell = estimated = wanted = covered = 0.0
    errors = []
    count = 0
    for seed in seeds:
        rng = random.Random(seed)
        for truth in truths:
            first = truth.first - HOUR
            windows = observe(truth, range(first + step, first + days.stop * DAY + step, step), jitter, rng)
            for n, stretches in _by_day(rule(windows), first).items():
                start, end = first + n * DAY, first + (n + 1) * DAY
                if n not in days or not truth.is_known(start, end):
                    continue
                amount = sum(one.rate * (one.end - one.start) for one in stretches)
                seconds = sum(one.end - one.start for one in stretches)
                true = truth.fell(start, end) if whole else sum(truth.fell(one.start, one.end) for one in stretches)
                said, fell, covered, count = said + amount, fell + true, covered + seconds, count + 1
                if true >= WET:
                    errors.append(abs(amount - true) / true)
                if seconds >= 0.75 * DAY:
                    estimated, wanted = estimated + amount * DAY / seconds, wanted + truth.fell(start, end)
    errors.sort()
    estimate = 100 * (estimated / wanted - 1) if wanted else float("nan")
    worst = errors[min(len(errors) - 1, int(0.95 * len(errors)))]
    return Figures(100 * (said / fell - 1), 100 * worst, estimate, 100 * covered / count / DAY)


def _by_day(stretches: Iterable[Stretch], first: float) -> dict[int, list[Stretch]]:
    days: dict[int, list[Stretch]] = {}
    for stretch in stretches:
        start = stretch.start
        while start < stretch.end:
            n = int((start - first) // DAY)
            end = min(stretch.end, first + (n + 1) * DAY)
            days.setdefault(n, []).append(Stretch(start, end, stretch.rate))
            start = end
    return days


def read_truths(count: int) -> list[Truth]:
    """The rain of the stations; an hour is named by its end."""
    names = sorted(series.stations())[:count]
    hours: list[dict[int, float | None]] = [{} for _ in names]
    for row in series.ireland(names):
        hours[row["location_id"] - 1][int(row["due_at"].timestamp())] = row["precipitation"]
    return [Truth(one) for one in hours]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 1")
    parser.add_argument("--stations", type=int, default=25)
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    truths = read_truths(options.stations)
    print(f"Python {platform.python_version()}, meteorograph {__version__}, {len(truths)} stations, 2017, seeds {list(seeds)}\n")
    print("| amounts | rule | covered | bias of `sum` | 95 % of wet days within | bias of `sum_estimated` |")
    print("|---|---|---|---|---|---|")
    cases = [(f"hourly, 0 to {jitter} min late", HOUR, jitter) for jitter in (0, 12, 15, 20, 30, 60)]
    for name, step, jitter in (*cases, ("renewed every two hours", 2 * HOUR, 0)):
        for rule, make in RULES.items():
            figures = compare(
                truths, range(1, 364), make, jitter=jitter, step=step, seeds=seeds if jitter else seeds[:1], whole=rule == "plain"
            )
            covered = "" if rule == "plain" else f"{figures.covered:.2f} %"
            estimate = "" if rule == "plain" or figures.estimate != figures.estimate else f"{figures.estimate:+.2f} %"
            print(f"| {name} | {rule} | {covered} | {figures.bias:+.2f} % | {figures.worst:.2f} % | {estimate} |", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DATABASE_URL", "sqlite://")
    main()
