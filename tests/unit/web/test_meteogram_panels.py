"""The panels of a meteogram: where they lie, and how the others are chosen."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest

from meteorograph.web.page.meteogram_panels import PANELS, panel_choices, panel_places, panels_text

SUBSETS = [chosen for many in range(1, len(PANELS) + 1) for chosen in combinations(PANELS, many)]


def test_all_panels_share_the_picture() -> None:
    assert panel_places(PANELS) == {
        "temperature": (103.0, 219.0),
        "precipitation": (249.0, 297.0),
        "pressure": (327.0, 373.0),
        "wind": (403.0, 445.0),
    }


@pytest.mark.parametrize("chosen", SUBSETS, ids=",".join)
def test_fewer_panels_fill_the_picture_in_the_same_order(chosen: tuple[str, ...]) -> None:
    places = panel_places(chosen[::-1])
    assert tuple(places) == chosen
    edges = [73.0, *(edge for place in places.values() for edge in place)]
    assert all(low - high == 30 for high, low in zip(edges[::2], edges[1::2], strict=False))
    assert all(before < after for before, after in pairwise(edges))
    assert edges[-1] == pytest.approx(445 if "wind" in chosen else 464, abs=0.2)


def test_each_panel_is_left_out_or_added_but_never_the_last_one() -> None:
    assert [choice.others for choice in panel_choices(PANELS)] == [
        "precipitation,pressure,wind",
        "temperature,pressure,wind",
        "temperature,precipitation,wind",
        "temperature,precipitation,pressure",
    ]
    only = panel_choices(("pressure",))
    assert [(choice.is_shown, choice.others, choice.is_only) for choice in only] == [
        (False, "temperature,pressure", False),
        (False, "precipitation,pressure", False),
        (True, None, True),
        (False, "pressure,wind", False),
    ]
    assert panel_choices(PANELS[1:])[0].others is None, "all of them need no parameter"
    assert panels_text(PANELS) is None
