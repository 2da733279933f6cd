"""The colours of the map, and the cells of its grid."""

from __future__ import annotations

import json
import re
from typing import cast

import pytest

from meteorograph.model.units import System
from meteorograph.reading.map_places import FRESHNESS, MOST_CELLS, RAIN, Box, cell_size
from meteorograph.web.page import map_colours
from meteorograph.web.page.display import Display
from meteorograph.web.page.map_colours import CHOICES, SCALES
from meteorograph.web.page.preferences import SYSTEMS, Preferences
from support import ROOT

STATIC = ROOT / "src" / "meteorograph" / "web" / "static"
MINUS = "−"  # noqa: RUF001  # as on the page


def _display(units: str) -> Display:
    return Display(Preferences(cast(System, units)))


@pytest.mark.parametrize(
    ("value", "colour"), [(-20.1, "t0"), (-20, "t1"), (-0.01, "t2"), (0, "t3"), (9.99, "t3"), (39.9, "t6"), (40, "t7")]
)
def test_a_value_on_an_edge_belongs_to_the_class_above(value: float, colour: str) -> None:
    assert SCALES["temperature"].colour(value) == colour


@pytest.mark.parametrize("units", SYSTEMS)
@pytest.mark.parametrize("name", CHOICES)
def test_every_entry_of_a_legend_has_a_colour_and_a_text_of_its_own(name: str, units: str) -> None:
    entries = map_colours.legend(name, _display(units))
    assert len({entry.text for entry in entries}) == len({entry.colour for entry in entries}) == len(entries)
    style = (STATIC / "map.css").read_text(encoding="utf-8")
    for entry in entries:
        assert len(re.findall(rf"--m-{entry.colour}: #[0-9a-f]{{6}};", style)) >= 1
        assert f".m-{entry.colour} {{" in style


def test_a_legend_has_the_units_of_the_reader() -> None:
    texts = [entry.text for entry in map_colours.legend("temperature", _display("imperial"))]
    assert texts[:3] == [f"below {MINUS}4", f"{MINUS}4 to 14", "14 to 32"]
    rain = [entry.text for entry in map_colours.legend(RAIN, _display("metric"))]
    assert rain[:2] == ["below 0.1", "0.1 to 1.0"]
    assert map_colours.unit(RAIN, _display("imperial")) == "in"
    assert map_colours.unit(FRESHNESS, _display("si")) == ""


@pytest.mark.parametrize(("box", "width"), [(Box(-180, -90, 180, 90), 360), (Box(170, -10, -170, 10), 20), (Box(5, 0, 5, 1), 0)])
def test_a_box_may_lie_across_the_antimeridian(box: Box, width: float) -> None:
    assert box.width == width


@pytest.mark.parametrize("zoom", range(20))
@pytest.mark.parametrize("box", [Box(-180, -90, 180, 90), Box(170, -10, -170, 10), Box(0, 0, 0.001, 0.001)])
def test_a_grid_is_never_larger_than_it_may_be(box: Box, zoom: int) -> None:
    size = cell_size(box, zoom)
    assert 360 % size == 0
    assert box.width / size * (box.north - box.south) / size <= MOST_CELLS
    assert size >= 90 / 2**zoom


def test_the_outline_of_the_world_is_whole_and_says_where_it_is_from() -> None:
    world = json.loads((STATIC / "world.json").read_text(encoding="utf-8"))
    assert "Natural Earth" in world["source"]
    assert world["licence"] == "public domain"
    corners = set()
    for polygon in world["polygons"]:
        for steps in polygon:
            x, y = sum(steps[::2]), sum(steps[1::2])
            assert (x, y) == (steps[0], steps[1]), "a ring ends where it began"
            at = [0, 0]
            for step in zip(steps[::2], steps[1::2], strict=True):
                at = [at[0] + step[0], at[1] + step[1]]
                corners.add((at[0] / world["unit"], at[1] / world["unit"]))
    assert all(-182 <= x <= 191 and -90 <= y <= 84 for x, y in corners)
    assert any(x > 185 and 65 < y < 68 for x, y in corners), "Chukotka goes on beyond the antimeridian"
