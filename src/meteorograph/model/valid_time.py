"""The instant at which the values of a row are true. Pure."""

from __future__ import annotations

from typing import Final

#: An observation time that is further from its slot than this is not used as the time of its values [s]: a clock or a source is
#: wrong. Schedules of up to six hours, and retries within a slot, stay within this.
MAX_DISPLACEMENT: Final = 12 * 3600.0

#: Longest known period of an amount [s], a day on which the clocks go back; the amount of a longer one counts as an amount of an
#: unknown period.
MAX_PERIOD: Final = 25 * 3600.0


def is_credible(due_at: float, observed_at: float | None) -> bool:
    """Whether an observation time [Unix s] can be that of the values of a slot [Unix s]."""
    return observed_at is not None and abs(observed_at - due_at) <= MAX_DISPLACEMENT


def valid_time(due_at: float, observed_at: float | None) -> float:
    """When the values of a row are true [Unix s]: ``observed_at``, or ``due_at`` if that is unknown or not credible."""
    return observed_at if observed_at is not None and abs(observed_at - due_at) <= MAX_DISPLACEMENT else due_at


def is_whole(coverage: float, seconds: float) -> bool:
    """Whether an amount is shown as that of the whole time, of whose ``seconds`` the part ``coverage`` is measured.

    A part of the newest hour is always missing, and nothing else may be: a twentieth of the time, but 72 minutes at most.
    """
    return (1.0 - coverage) * seconds <= min(0.05 * seconds, 4320.0)
