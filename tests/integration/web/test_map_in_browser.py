"""The map of the overview in a real browser: what it shows, how it is moved, and what its address keeps."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

import past
from browser import barriers, opened, service
from meteorograph import WeatherData, get_db_session
from meteorograph.reading.map_places import MOST_PLACES
from meteorograph.storage.models import Location

#: Places beside each other, on both sides of the antimeridian, and one far from them.
PLACES = {"Taveuni": (-16.9, 179.9), "Rabi": (-15.5, -179.9), "Vanua": (-17.5, 179.2), "<b>Far</b>": (64.0, -21.9)}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with few places; the last one is paused."""
    folder: Path = tmp_path_factory.mktemp("map")
    with past.database(folder / "map.db"):
        _fill({name: (*at, 20.0 + number) for number, (name, at) in enumerate(PLACES.items())})
    with service(folder, "--no-scheduler", DATABASE_URL=f"sqlite:///{folder}/map.db") as address:
        yield address


@pytest.fixture(scope="module")
def polar_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with the poles, and a place between them."""
    folder: Path = tmp_path_factory.mktemp("poles")
    with past.database(folder / "map.db"):
        _fill({"North": (90.0, 0.0, 0.0), "Tema": (5.6, 0.0, 10.0), "South": (-90.0, 0.0, 20.0)})
    with service(folder, "--no-scheduler", DATABASE_URL=f"sqlite:///{folder}/map.db") as address:
        yield address


def _fill(places: dict[str, tuple[float, float, float]]) -> None:
    at = past.now().replace(minute=0, second=0, microsecond=0)
    with get_db_session() as session:
        for name, (latitude, longitude, temperature) in places.items():
            state = "paused" if "Far" in name else "active"
            location = Location(
                name=name,
                latitude=latitude,
                longitude=longitude,
                state=state,
                created_at=at,
                tags=["isle"] if latitude < 0 else None,
            )
            session.add(location)
            session.flush()
            row = {"temperature": temperature, "provider": "openweathermap", "fetched_at": at}
            session.add(WeatherData(location_id=location.id, due_at=at, **row))


def _show(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#map[data-drawn]")).to_be_visible()


def _address(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def _texts(page: Page) -> list[str]:
    return page.locator("#map-list li").all_inner_texts()


def test_places_on_both_sides_of_the_antimeridian_lie_beside_each_other(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map&q=isle")
        boxes = {text: page.locator(".pill", has_text=text).bounding_box() for text in ("20.0", "21.0", "22.0")}
        west, east = boxes["20.0"], boxes["21.0"]
        assert west is not None
        assert east is not None
        assert 0 < east["x"] - west["x"] < 200, "two tenths of a degree of longitude, across the line"
        assert _texts(page) == ["Rabi 21.0 °C", "Taveuni 20.0 °C", "Vanua 22.0 °C"]
        expect(page.locator("#map-text")).to_contain_text("3 places here: 3 up to date.")
        # The same from a view to the east of the line.
        _show(page, f"{url}/?view=map&centre=-17,-178&zoom=6")
        assert _texts(page) == ["Rabi 21.0 °C", "Taveuni 20.0 °C", "Vanua 22.0 °C"]
        assert wrong == []


def test_a_place_is_opened_from_the_map_and_from_its_list(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map&q=isle")
        page.locator(".pill", has_text="22.0").click()
        popup = page.locator(".leaflet-popup")
        expect(popup).to_contain_text("Temperature: 22.0 °C")
        expect(popup).to_contain_text(re.compile(r"observed \d+ (s|min) ago"))
        assert barriers(page) == []
        popup.get_by_role("link", name="Vanua").click()
        expect(page.locator("h1")).to_contain_text("Vanua")
        page.go_back()
        page.locator("#map-list").get_by_role("link", name="Rabi").click()
        expect(page.locator("h1")).to_contain_text("Rabi")
        _show(page, f"{url}/?view=map")
        assert "<b>Far</b> 23.0 °C, paused" in _texts(page), "a name is only a name"
        assert wrong == []


def test_the_map_is_moved_by_keyboard_and_its_address_keeps_where_it_is(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map&centre=0,0&zoom=4")
        page.locator("#map").focus()
        page.keyboard.press("+")
        page.wait_for_url("**zoom=5**")
        page.keyboard.press("ArrowRight")
        page.wait_for_url(re.compile(r"centre=[^&]*%2C[1-9]"))
        moved = _address(page)
        assert float(moved["centre"].split(",")[1]) > 0
        page.reload()
        expect(page.locator("#map[data-drawn]")).to_be_visible()
        assert _address(page)["zoom"] == "5"
        page.get_by_role("button", name="Zoom out").press("Enter")
        page.wait_for_url("**zoom=4**")
        page.get_by_role("button", name="Show all places").press("Enter")
        expect(page.locator("#map-text")).to_contain_text("4 places here")
        assert wrong == []


def test_the_centre_stays_within_the_earth(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map&centre=-17,179.5&zoom=7")
        page.locator("#map").focus()
        for _ in range(6):
            page.keyboard.press("ArrowRight")
        page.wait_for_url(re.compile(r"centre=-17[^&]*%2C-1"))
        assert -180 <= float(_address(page)["centre"].split(",")[1]) < -170
        assert wrong == []


def test_the_quantity_and_the_filter_are_kept_and_hold_for_the_list_too(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map")
        page.get_by_label("Colour by").select_option("freshness")
        expect(page.locator("#map-list")).to_contain_text("Vanua up to date")
        expect(page.locator("#legend")).to_contain_text("paused")
        page.get_by_label("Name or tag").fill("isle")
        expect(page.locator("#map-text")).to_contain_text("3 places here: 3 up to date.")
        assert _address(page)["quantity"] == "freshness"
        expect(page.locator("#views a").first).to_have_attribute(
            "href", re.compile("^(?=.*q=isle)(?!.*view=).*quantity=freshness")
        )
        page.locator("#map-text").get_by_role("link", name="Show the list").click()
        expect(page.locator(".values tbody tr")).to_have_count(3)
        page.locator("#views").get_by_role("link", name="Map").click()
        expect(page.locator("#map-text")).to_contain_text("3 places here")
        assert wrong == []


def test_the_list_and_the_way_back_keep_where_the_map_looks(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map&quantity=wind_speed&q=isle&centre=-17,178&zoom=5")
        page.locator("#map").focus()
        page.keyboard.press("+")
        page.wait_for_url("**zoom=6**")
        before = _address(page)
        page.locator("#views").get_by_role("link", name="List").click()
        expect(page.locator(".values tbody tr")).to_have_count(3)
        page.get_by_role("link", name="Wind").click()
        expect(page.locator("th[aria-sort]")).to_contain_text("Wind")
        page.locator("#views").get_by_role("link", name="Map").click()
        expect(page.locator("#map[data-drawn]")).to_be_visible()
        assert _address(page) == {**before, "sort": "-wind"}
        assert wrong == []


def test_where_the_map_looks_stays_when_a_preference_is_chosen(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map&centre=-17,178&zoom=5")
        page.locator("#map").focus()
        page.keyboard.press("+")
        page.wait_for_url("**zoom=6**")
        page.get_by_label("Units").select_option("imperial")
        page.wait_for_url("**units=imperial**")
        assert _address(page)["zoom"] == "6"
        assert _address(page)["view"] == "map"
        assert wrong == []


def test_a_pole_is_here_only_where_the_map_ends(chrome: Browser, polar_url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{polar_url}/?view=map&centre=5,0&zoom=5")
        page.get_by_role("button", name="Show all places").press("Enter")  # all are known now, and not read again
        page.get_by_role("button", name="Zoom in").press("Enter")
        expect(page.locator("#map-list li")).to_have_text(["Tema 10.0 °C"])
        _show(page, f"{polar_url}/?view=map&centre=84,0&zoom=4")
        assert _texts(page) == ["North 0.0 °C"]
        assert wrong == []


def test_units_are_those_of_the_reader(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map&q=isle&units=imperial")
        assert _texts(page) == ["Rabi 69.8 °F", "Taveuni 68.0 °F", "Vanua 71.6 °F"]
        expect(page.locator("#legend")).to_contain_text("50 to 68")
        assert wrong == []


def test_without_scripts_the_list_is_offered(chrome: Browser, url: str) -> None:
    context = chrome.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#views")).to_be_hidden()
    page.goto(f"{url}/?view=map")
    expect(page.locator("#map")).to_be_hidden()
    page.get_by_role("link", name="Show the list").click()
    expect(page.locator(".values tbody tr")).to_have_count(4)
    context.close()


def test_colours_follow_the_scheme_and_nothing_moves_for_whom_motion_is_too_much(chrome: Browser, url: str) -> None:
    with opened(chrome, scheme="dark") as (page, wrong):
        page.emulate_media(reduced_motion="reduce")
        _show(page, f"{url}/?view=map")
        assert page.locator(".leaflet-zoom-animated").count() == 0
        assert 30 < _lightness(page) < 80
        page.emulate_media(color_scheme="light")
        page.wait_for_timeout(300)  # a frame is drawn
        assert _lightness(page) > 220
        assert [text for text in wrong if "willReadFrequently" not in text] == []  # that is the test itself


def _lightness(page: Page) -> float:
    """Mean of red, green and blue over the land that is drawn, from 0 to 255."""
    found: float = page.wait_for_function("""() => {
        const canvas = document.querySelector(".leaflet-land-pane canvas");
        const pixels = canvas?.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data ?? [];
        let [sum, many] = [0, 0];
        for (let at = 0; at < pixels.length; at += 4) {
            if (pixels[at + 3] === 255) [sum, many] = [sum + pixels[at] + pixels[at + 1] + pixels[at + 2], many + 3];
        }
        return many > 30000 ? sum / many : null;
    }""").json_value()
    return found


def test_thousands_of_places_are_counted_by_area_until_somebody_zooms_in(
    chrome: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.mktemp("many")
    many = MOST_PLACES + 500
    where = [(number * 7919 % 13000 / 100 - 60, number * 104729 % 36000 / 100 - 180) for number in range(many)]
    with past.database(folder / "many.db"):
        at = past.now().replace(minute=0, second=0, microsecond=0)
        with get_db_session() as session:
            session.add_all(
                Location(name=f"P{number:04d}", latitude=latitude, longitude=longitude, state="active", created_at=at)
                for number, (latitude, longitude) in enumerate(where)
            )
    with service(folder, "--no-scheduler", DATABASE_URL=f"sqlite:///{folder}/many.db") as url, opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map")
        expect(page.locator("#map-text")).to_contain_text(f"{many:,} places here, counted by area")
        _show(page, f"{url}/?view=map&centre=10,20&zoom=2.5")
        expect(page.locator("#map-text")).to_contain_text("counted by area")
        with page.expect_response(re.compile("map.json.*count_bbox=")) as answered:
            page.locator("#map").press("ArrowRight")
        west, south, east, north = map(float, parse_qs(urlsplit(answered.value.url).query)["count_bbox"][0].split(","))
        frame = page.locator("#map").bounding_box()
        assert frame is not None
        width = (east - west) % 360
        assert width == pytest.approx(360 * frame["width"] / 256 / 2**2.5, rel=0.01), "what the view holds, and no more"
        held = sum((x - west) % 360 <= width and south <= y <= north for y, x in where)
        assert 50 < held < many
        expect(page.locator("#map-text")).to_contain_text(f"{held:,} places here, counted by area")
        _show(page, f"{url}/?view=map")
        cells = page.locator(".cell")
        assert 10 < cells.count() < 300
        cells.nth(cells.count() // 2).click()
        expect(page.locator("#map-text")).to_contain_text(re.compile(r"^\d+ places? here: "))
        assert int(page.locator("#map").get_attribute("data-drawn") or "0") < MOST_PLACES
        assert barriers(page) == []
        assert wrong == []


class _Tiles(BaseHTTPRequestHandler):
    """One black pixel for each address."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "image/svg+xml")
        self.end_headers()
        self.wfile.write(
            b'<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"><rect width="256" height="256"/></svg>'
        )

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def tiles() -> Iterator[tuple[str, list[str]]]:
    """A tile server, and the addresses that were asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Tiles,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_tiles_of_the_users_own_server(chrome: Browser, tiles: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = tiles
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/tiles.db",
        "METEOROGRAPH_MAP_TILES": f"{address}/{{z}}/{{x}}/{{y}}.svg",
        "METEOROGRAPH_MAP_ATTRIBUTION": "© Somebody <b>else</b>",
    }
    with past.database(tmp_path / "tiles.db"):
        _fill({"Taveuni": (-16.9, 179.9, 20.0)})
    with service(tmp_path, "--no-scheduler", **settings) as url, opened(chrome) as (page, wrong):
        _show(page, f"{url}/?view=map&centre=0,0&zoom=4")
        expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
        expect(page.locator(".leaflet-control-attribution")).to_have_text("© Somebody <b>else</b>")
        for zoom in (5, 6):
            page.get_by_role("button", name="Zoom in").click()
            page.wait_for_url(f"**zoom={zoom}**")
        page.wait_for_load_state("networkidle")
        assert all(re.fullmatch(r"/\d+/\d+/\d+\.svg", path) for path in asked)
        assert {path.split("/")[1] for path in asked} >= {"4", "6"}
        assert page.locator(".leaflet-land-pane canvas").count() == 0
        assert wrong == []
