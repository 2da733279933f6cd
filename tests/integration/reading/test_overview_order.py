"""The order of the overview and its pages, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import delete, event, select
from sqlalchemy.orm import Session

from meteorograph import WeatherData, get_db_session
from meteorograph.reading.columns import iterate_rows
from meteorograph.reading.overview_order import OverviewQuery, find_page
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location
from pages import add
from support import NOON

NAMES = ["Aarau", "Bergen", "Cork", "Delft", "Essen", "Fes", "Gent"]


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    for name in NAMES:
        add(name, {"temperature": 1.0}, tags=["ÖST", 'a "b"'] if name in ("Bergen", "Delft", "Essen") else ["other"])
    with get_db_session() as opened:
        yield opened


def _pages(session: Session, query: OverviewQuery, late: list[str]) -> list[list[str]]:
    names: dict[int, str] = dict(session.execute(select(Location.id, Location.name)).all())
    found, after = [], query.after
    while True:
        page = find_page(session, replace(query, after=after), late, NOON)
        found.append([names[id_] for id_ in page.ids])
        after = page.following
        if after is None:
            return found


@pytest.mark.parametrize(
    ("query", "late", "pages"),
    [
        (OverviewQuery(3, "e"), ["Cork", "Essen", "Gent"], [["Cork", "Essen", "Gent"], ["Aarau", "Bergen", "Delft"], ["Fes"]]),
        (OverviewQuery(2, "öst"), ["Delft"], [["Delft", "Bergen"], ["Essen"]]),
        (OverviewQuery(2, "öst", sort="name"), [], [["Bergen", "Delft"], ["Essen"]]),
        (OverviewQuery(2, "ÖST", sort="name", descending=True), [], [["Essen", "Delft"], ["Bergen"]]),
        (OverviewQuery(2, 'a "B'), [], [["Bergen", "Delft"], ["Essen"]]),
        (OverviewQuery(2, only_late=True), ["Cork", "Essen", "Gent"], [["Cork", "Essen"], ["Gent"]]),
        (OverviewQuery(2, "öst", only_late=True), ["Cork", "Essen", "Gent"], [["Essen"]]),
        (OverviewQuery(2, "nowhere"), ["Cork"], [[]]),
    ],
)
def test_matches_are_paged_in_their_order(
    session: Session, query: OverviewQuery, late: list[str], pages: list[list[str]]
) -> None:
    assert _pages(session, query, late) == pages


@pytest.mark.parametrize(("descending", "following"), [(False, ["Essen"]), (True, ["Bergen"])])
def test_a_page_follows_although_its_last_location_has_gone(session: Session, descending: bool, following: list[str]) -> None:
    query = OverviewQuery(2, "öst", sort="name", descending=descending)
    first = find_page(session, query, [], NOON)
    assert first.following is not None
    assert first.following.name == "Delft"
    gone = select(Location.id).where(Location.name == "Delft").scalar_subquery()
    session.execute(delete(WeatherData).where(WeatherData.location_id == gone))
    session.execute(delete(Location).where(Location.name == "Delft"))
    [page] = _pages(session, replace(query, after=first.following), [])
    assert page == following


def test_a_location_that_has_become_late_is_not_shown_twice(session: Session) -> None:
    query = OverviewQuery(2, "öst")
    first = find_page(session, query, [], NOON)
    assert first.following is not None
    assert first.following.name == "Delft"
    assert _pages(session, replace(query, after=first.following), ["Bergen"]) == [["Essen"]]


def test_rows_are_asked_for_before_the_first_one_is_used(session: Session) -> None:
    statements: list[str] = []

    def note(*execution: object) -> None:
        statements.append(str(execution[2]))

    event.listen(get_engine(), "before_cursor_execute", note)
    try:
        rows = iterate_rows(session, select(Location.name).order_by(Location.name))
        assert statements[-1].startswith("SELECT locations.name"), "what is done to the rows later does not change them"
    finally:
        event.remove(get_engine(), "before_cursor_execute", note)
    assert [name for (name,) in rows] == NAMES
