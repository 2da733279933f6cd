"""Stop 9 of the walk: takes rows, gives what they come to in buckets of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

#: What is told of a quantity in a bucket; each is None where it has no value or makes no sense.
Values = dict[str, float | int | None]


@dataclass(slots=True)
class Bucket:
    """What became of one location in ``start <= due_at < end`` (aware UTC)."""

    start: datetime
    end: datetime
    #: Slots that were due, and those of them that are stored.
    due: int = 0
    stored: int = 0
    #: Quantity → ``min``, ``max``, ``mean``, ``sum`` (of precipitation only) and ``count``, in canonical units.
    values: dict[str, Values] = field(default_factory=dict)


def buckets(
    session: Session,
    *,
    location: str,
    start: datetime,
    end: datetime,
    bucket: str,
    zone: str | None = None,
    quantities: Sequence[str] = (),
    include_flagged: bool = False,
) -> list[Bucket]:
    """The whole buckets that ``start <= due_at < end`` touches, oldest first; one without data is there, with None.

    Args:
        session: Where the rows are.
        location: Name of the location.
        start: First instant (aware UTC).
        end: Instant after the last one (aware UTC).
        bucket: ``hour``, ``day``, ``month`` or a length that divides a day, such as ``15m`` or ``6h``.
        zone: IANA time zone of the days; the location's own without it, UTC where it has none.
        quantities: Which ones, by name; all when there are none.
        include_flagged: Whether values that are not to be trusted (``flags.SUSPECT``) count too.

    Raises:
        LocationNotFoundError: There is no location of this name.
        ValueError: ``bucket`` or ``zone`` is none, or there would be too many buckets.
    """
    raise NotImplementedError
