"""Faults on demand: which rule applies to a call."""

from __future__ import annotations

import threading
from typing import NamedTuple

from .rules import Rule, parse
from .tally import Call
from .waves import random_unit


class Verdict(NamedTuple):
    """What happens to a call: a delay [s], then the fault of the rule, or a correct answer if the rule is None."""

    delay: float
    rule: Rule | None


class Faults:
    """The current rules, and how often each was applied. Thread-safe."""

    def __init__(self, spec: str, seed: int) -> None:
        """Parse ``spec``.

        Raises:
            ConfigurationError: ``spec`` violates the grammar; the message names the word and what is allowed.
        """
        self.spec = spec.strip()
        self.rules = parse(spec)
        self._seed = seed
        self._used = [0] * len(self.rules)
        self._lock = threading.Lock()

    def decide(self, call: Call, number: int) -> Verdict:
        """The first rule that applies to ``call``, the ``number``-th call; latency rules before it add up."""
        delay = 0.0
        for index, rule in enumerate(self.rules):
            if not rule.covers(call) or not self._applies(index, rule, number):
                continue
            if rule.kind != "latency":
                return Verdict(delay, rule)
            delay += rule.ms / 1000
        return Verdict(delay, None)

    def _applies(self, index: int, rule: Rule, number: int) -> bool:
        if rule.p < 1 and random_unit(self._seed, "fault", index, number) >= rule.p:
            return False
        with self._lock:
            if rule.count is not None and self._used[index] >= rule.count:
                return False
            self._used[index] += 1
        return True

    def usage(self) -> list[tuple[str, int]]:
        """The text of each rule, and the number of calls it was applied to."""
        with self._lock:
            return [(rule.text, used) for rule, used in zip(self.rules, self._used, strict=True)]
