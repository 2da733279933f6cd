"""What the columns of a CSV file are: the user's words for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import time, tzinfo
from typing import Final, Literal

from ..model.quantities import BY_NAME
from .amounts import AMOUNT_ALLOWED, AmountRule, parse_rule
from .units import canonical_unit_name, conversion

Label = Literal["start", "end"]

_COLUMN_ALLOWED: Final = (
    "must be COLUMN=QUANTITY:UNIT, such as temp=temperature:C, for precipitation with what the value is, such as "
    "rain=precipitation:mm:amount:1h"
)

#: Ending of the unit of a rate.
_PER_HOUR: Final = "/h"

#: Longest unit and words of a mapping.
_MAX_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """A column of the file, and the quantity that it gives."""

    column: str
    quantity: str
    #: Unit of the values, as the preview shows it.
    unit: str
    #: Converts a value to the canonical unit.
    convert: Callable[[float], float]
    #: What the values of an amount are; None for other quantities.
    amount: AmountRule | None = None


@dataclass(frozen=True, slots=True)
class CSVLayout:
    """How a CSV file is to be read."""

    #: Columns that make up the time, joined by a space.
    time_columns: Sequence[str]
    columns: Sequence[ColumnMapping]
    #: Column with the names of the locations; None if the file has one location.
    location_column: str | None = None
    #: ``strptime`` format, ``unix`` or ``unix-ms``; None for ISO 8601.
    time_format: str | None = None
    #: Zone of times without an offset.
    zone: tzinfo | None = None
    #: Whether the time of a row is the start or the end of its window.
    label: Label | None = None
    #: When the day of a row starts whose time is a date.
    day_start: time | None = None
    separator: str | None = None
    has_decimal_comma: bool = False
    encoding: str = "utf-8"


def parse_column(text: str) -> ColumnMapping:
    """A mapping from its text, such as ``temp=temperature:C`` or ``rain=precipitation:mm:amount:1h``.

    Raises:
        ValueError: The text is no mapping; the message says what is allowed.
    """
    column, _, rest = text.rpartition("=")
    name, _, rest = rest.partition(":")
    if not column or name not in BY_NAME:
        raise ValueError(f"{_COLUMN_ALLOWED}; the quantities are {', '.join(BY_NAME)}")
    quantity = BY_NAME[name]
    unit, *words = rest.split(":", _MAX_PARTS - 2) if rest else [""]
    if not quantity.is_amount:
        if words:
            raise ValueError(_COLUMN_ALLOWED)
        unit = canonical_unit_name(name, unit or (quantity.unit if quantity.unit == "1" else ""))
        return ColumnMapping(column, name, unit, conversion(name, unit))
    if len(words) != 2:
        raise ValueError(AMOUNT_ALLOWED)
    rule = parse_rule(words[0], words[1])
    if (rule.kind == "rate") != unit.endswith(_PER_HOUR):
        raise ValueError(f"must have a unit such as {'mm/h' if rule.kind == 'rate' else 'mm'} for {rule.kind}")
    plain = canonical_unit_name(name, unit.removesuffix(_PER_HOUR))
    return ColumnMapping(column, name, plain + (_PER_HOUR if rule.kind == "rate" else ""), conversion(name, plain), rule)


def check_layout(layout: CSVLayout) -> None:
    """Check that mappings fit each other.

    Raises:
        ValueError: They do not; the message says what is allowed.
    """
    names = [mapping.quantity for mapping in layout.columns]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--column: {name} must be given by one column")
    rules = [mapping.amount for mapping in layout.columns if mapping.amount]
    if any(rule != rules[0] for rule in rules):
        raise ValueError("--column: the amounts of a row have one period, so their columns must be of one kind and time")
    if layout.label == "start" and layout.day_start is None and not any(rule.window for rule in rules):
        raise ValueError("--label start: must have an amount or rate of a fixed length, or days, to say when the window ends")
    if any(rule.reset is not None for rule in rules) and layout.zone is None:
        raise ValueError("--zone is missing: a counter that starts again every day needs the zone of its days")
