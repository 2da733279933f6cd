"""The colours of the coverage map: told apart by their lightness alone, and readable numbers on them."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from support import ROOT

STATIC = ROOT / "src/meteorograph/web/static"
LIGHT, DARK = (
    dict(re.findall(r"--(c\d(?:-ink)?): (#[0-9a-f]{3,6});", (STATIC / name).read_text(encoding="utf-8")))
    for name in ("style.css", "dark.css")
)


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_classes_differ_by_lightness_in_one_direction_and_numbers_can_be_read(theme: dict[str, str]) -> None:
    colours = [theme[f"c{step}"] for step in range(1, 6)]
    rises = [_luminance(later) > _luminance(earlier) for earlier, later in pairwise(colours)]
    assert len(set(rises)) == 1
    assert min(_contrast(*pair) for pair in pairwise(colours)) >= 1.3
    assert min(_contrast(theme[f"c{step}"], theme[f"c{step}-ink"]) for step in range(1, 6)) >= 4.5
