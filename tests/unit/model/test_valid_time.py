"""When an amount is told as that of the whole time."""

from __future__ import annotations

import pytest

from meteorograph.model.valid_time import is_whole


@pytest.mark.parametrize(
    ("hours", "missing_minutes", "expected"),
    [(1, 2, True), (1, 4, False), (24, 71, True), (24, 73, False), (168, 71, True), (168, 300, False), (720, 73, False)],
)
def test_a_part_of_the_newest_hour_may_be_missing_and_no_more(hours: int, missing_minutes: int, expected: bool) -> None:
    assert is_whole(1 - missing_minutes / (60 * hours), 3600.0 * hours) is expected
