"""The page of the checks has the words and limits of the code."""

from __future__ import annotations

import re

from meteorograph.model.flags import SUSPECT, Flag
from meteorograph.model.quantities import QUANTITIES
from meteorograph.quality.climate_limits import _WMO_305, _ZONES
from meteorograph.quality.time_checks import MAX_CHANGE_PER_HOUR
from support import ROOT

PAGE = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8").replace("\N{MINUS SIGN}", "-")


def test_every_flag_is_there_and_says_whether_it_counts() -> None:
    table = PAGE.partition("## Limits")[0]
    rows = dict(re.findall(r"^\| `([a-z_]+)(?::<value>)?` \|[^|]*\|[^|]*\| *([^|]*?) *\|$", table, re.MULTILINE))
    assert set(rows) == set(Flag)
    assert {word for word, left_out in rows.items() if left_out == "yes"} == SUSPECT


def test_every_plausible_range_is_there() -> None:
    rows = re.findall(r"^\| (\w+) \| (\S+) to (\S+) \| (\S+) \|", PAGE, re.MULTILINE)
    assert [(name, float(low), float(high), unit) for name, low, high, unit in rows] == [
        (quantity.name, *quantity.plausible, quantity.unit) for quantity in QUANTITIES
    ]


def test_the_climate_and_the_steps_are_there() -> None:
    for zone in _ZONES:
        cold, warm = (f"{low:g} to {high:g}" for low, high in ((zone[1], zone[3]), (zone[2], zone[4])))
        assert f"| {zone.latitude:g}° | {cold} | {warm} |" in PAGE
    for limits in _WMO_305.values():
        assert "| {} to {} | {} to {} | {}".format(*limits["pressure"], *limits["dew_point"], limits["wind_speed"][1]) in PAGE
    for name, most in MAX_CHANGE_PER_HOUR.items():
        assert re.search(rf"^\| [\w, ]*\b{name}\b[\w, ]* \| {most:g} ", PAGE, re.MULTILINE), name
