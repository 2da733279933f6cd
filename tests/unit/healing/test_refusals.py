"""How long a history that refused the key is left alone."""

from __future__ import annotations

from datetime import timedelta

from meteorograph.healing.refusals import REFUSED_WAIT, HistoryRefusals
from support import NOON


def test_a_history_is_refused_for_a_day_and_others_are_not() -> None:
    refusals = HistoryRefusals()
    refusals.record("one-call", NOON)
    assert refusals.has_refused("one-call", NOON + REFUSED_WAIT - timedelta(seconds=1))
    assert not refusals.has_refused("one-call", NOON + REFUSED_WAIT)
    assert not refusals.has_refused("archive", NOON)


def test_a_reset_forgets_all_refusals() -> None:
    refusals = HistoryRefusals()
    refusals.record("one-call", NOON)
    refusals.reset()
    assert not refusals.has_refused("one-call", NOON)
