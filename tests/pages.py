"""Pages of HTML read back, and what is shown on them; shared by the tests of the dashboard."""

from __future__ import annotations

from datetime import datetime
from html.parser import HTMLParser
from typing import Any

from flask.testing import FlaskClient

from meteorograph import WeatherData, get_db_session
from meteorograph.storage.models import Location
from support import NOON


class Page(HTMLParser):
    """The rows of a page's tables as texts, and the tags that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        #: Attributes of each element, with its tag.
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
            self._inside = True

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element of a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    def runs(self) -> list[str]:
        """What would run or load that is not one of our files: handlers, styles and scripts in the page, foreign addresses."""
        found = [f"{tag} {name}" for tag, attributes in self.elements for name in attributes if name.startswith(("on", "style"))]
        found += [f"script {one}" for one in self.all("script") if "src" not in one and one.get("type") != "application/json"]
        loaded = [one.get("src", "") for tag in ("script", "img") for one in self.all(tag)]
        loaded += [one.get("href", "") for one in self.all("link")]
        return found + [one for one in loaded if one and not one.startswith("/")] + list({"style", "iframe"} & self.tags)

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()


def page(client: FlaskClient, path: str, status: int = 200) -> Page:
    """A page as it is answered."""
    response = client.get(path)
    assert (response.status_code, response.content_type) == (status, "text/html; charset=utf-8"), response.text
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    return Page(response.text)


def add(name: str, *rows: dict[str, Any], **of_location: Any) -> None:
    """A location with rows; what they do not say is that they are of noon, by OpenWeatherMap."""
    with get_db_session() as session:
        fields = {"latitude": 1, "longitude": 2, "state": "active", "created_at": NOON, **of_location}
        location = Location(name=name, **fields)
        session.add(location)
        session.flush()
        for row in rows:
            session.add(WeatherData(location_id=location.id, **({"due_at": NOON, "provider": "openweathermap"} | _dated(row))))


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    due_at: datetime = row.get("due_at", NOON)
    return {"fetched_at": due_at, **row}
