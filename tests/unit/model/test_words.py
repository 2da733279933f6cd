"""Words that follow a number."""

from __future__ import annotations

from meteorograph.model.words import are, counted, plural, were


def test_one_is_singular_and_none_is_plural() -> None:
    assert [counted(number, "slot") for number in (0, 1, 2, 1200)] == ["0 slots", "1 slot", "2 slots", "1,200 slots"]
    assert (plural(1, "row"), plural(2, "row")) == ("row", "rows")
    assert (are(1), are(3), were(1), were(0)) == ("is", "are", "was", "were")
