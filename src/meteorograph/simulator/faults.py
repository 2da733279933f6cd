"""Faults on demand: which rule a call falls under."""

from __future__ import annotations

import threading
from typing import NamedTuple

from .chance import unit
from .rules import Rule, parse
from .tally import Call


class Verdict(NamedTuple):
    """What is to be done to a call: wait this long [s], then the rule's fault, or a proper answer when None."""

    delay: float
    rule: Rule | None


class Faults:
    """The rules in force; counts how often each was used, safe across threads."""

    def __init__(self, spec: str, seed: int) -> None:
        """Read ``spec``.

        Raises:
            ConfigurationError: It is not to the grammar; names the word and what is allowed.
        """
        self.spec = spec.strip()
        self.rules = parse(spec)
        self._seed = seed
        self._used = [0] * len(self.rules)
        self._lock = threading.Lock()

    def decide(self, call: Call, number: int) -> Verdict:
        """The first rule that ``call``, the ``number``-th of all, falls under; latencies on the way to it add up."""
        delay = 0.0
        for index, rule in enumerate(self.rules):
            if not rule.covers(call) or not self._takes(index, rule, number):
                continue
            if rule.kind != "latency":
                return Verdict(delay, rule)
            delay += rule.ms / 1000
        return Verdict(delay, None)

    def _takes(self, index: int, rule: Rule, number: int) -> bool:
        if rule.p < 1 and unit(self._seed, "fault", index, number) >= rule.p:
            return False
        with self._lock:
            if rule.count is not None and self._used[index] >= rule.count:
                return False
            self._used[index] += 1
        return True

    def used(self) -> list[tuple[str, int]]:
        """Each rule as written, with the number of calls it was applied to."""
        with self._lock:
            return [(rule.text, used) for rule, used in zip(self.rules, self._used, strict=True)]
