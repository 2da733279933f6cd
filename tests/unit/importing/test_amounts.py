"""What fell, and in which time, from amounts, rates and counters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from meteorograph.importing.amounts import Amount, AmountReader, parse_rule

HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2025, 3, 1, 22, tzinfo=UTC)  # in Athens
ATHENS = ZoneInfo("Europe/Athens")


def _read(kind: str, span: str, *readings: tuple[float, float | None]) -> list[Amount]:
    """Amounts from hours after midnight and values."""
    reader = AmountReader(parse_rule(kind, span), ATHENS)
    return [reader.read(MIDNIGHT + hours * HOUR, value, None)._replace(problem="") for hours, value in readings]


@pytest.mark.parametrize(
    ("kind", "span", "readings", "amounts"),
    [
        ("amount", "1h", [(1, 0.5), (1.5, None), (3, 0.2)], [(0.5, 3600), (None, None), (0.2, 3600)]),
        ("amount", "previous", [(1, 0.5), (1.5, 0.2), (40, 1.0)], [(0.5, None), (0.2, 1800), (1.0, None)]),
        ("rate", "5m", [(1, 12.0)], [(1.0, 300)]),
        ("rate", "previous", [(1, 12.0), (1.5, 12.0), (40, 12.0)], [(None, None), (6.0, 1800), (None, None)]),
        (
            "counter",
            "never",
            [(1, 100.0), (2, 101.5), (4, None), (5, 102.0)],
            [(None, None), (1.5, 3600), (None, None), (0.5, 10800)],
        ),
        ("counter", "never", [(1, 100.0), (2, 3.0), (3, 3.5)], [(None, None), (None, None), (0.5, 3600)]),
        ("counter", "never", [(1, 100.0), (31, 103.0)], [(None, None), (3.0, None)]),
        # the first value of a day is what fell since midnight, also where the day before is not known
        ("counter", "day", [(1, 0.4), (2, 1.0)], [(0.4, 3600), (0.6, 3600)]),
        ("counter", "day", [(-1, 8.0), (0, 8.5), (1, 0.4)], [(8.0, 82800), (0.5, 3600), (0.4, 3600)]),
        # what fell between the last reading and midnight is not known, and is not made up
        ("counter", "day", [(-0.5, 8.0), (0.5, 0.1)], [(8.0, 84600), (0.1, 1800)]),
        # a reset at midnight that the reading of midnight shows already
        ("counter", "day", [(-1, 8.0), (0, 0.0), (1, 0.4)], [(8.0, 82800), (None, None), (0.4, 3600)]),
        ("counter", "day@09:00", [(8, 5.0), (9, 5.2), (10, 0.3)], [(5.0, 82800), (0.2, 3600), (0.3, 3600)]),
    ],
)
def test_readings(
    kind: str, span: str, readings: list[tuple[float, float | None]], amounts: list[tuple[float | None, int | None]]
) -> None:
    assert [(amount.value, amount.period) for amount in _read(kind, span, *readings)] == amounts


def test_what_a_value_is_must_be_said_in_known_words() -> None:
    for kind, span in (
        ("counter", "1h"),
        ("counter", "day@25:00"),
        ("amount", ""),
        ("amount", "2d"),
        ("rate", "day"),
        ("sum", "1h"),
    ):
        with pytest.raises(ValueError, match="must say what the value is"):
            parse_rule(kind, span)
