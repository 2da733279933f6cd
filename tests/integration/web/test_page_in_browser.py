"""The dashboard in a real browser: full, readable on a phone, open to everyone, and without errors on its console."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import barriers, demonstration, opened, settle

PAST_DAYS = 20

VIEWS = {
    "overview": "/",
    "map": "/?view=map",
    "map by freshness": "/?view=map&quantity=freshness&centre=10,179&zoom=2",
    "location": "/location?name=London&range=7d",
    "year": "/location?name=Tokyo&range=1y",
    "explore": "/location?name=Tokyo&range=7d&explore=1",
    "coverage": "/coverage",
    "runs": "/runs",
    "jobs": "/jobs",
    "locations": "/locations",
    "settings": "/settings",
    "climate": "/climate?location=London",
    "compare": "/compare?location=London&location=Tokyo&location=Athens&range=7d",
    "edit": "/locations/edit?name=London",
    "sign in": "/sign-in",
    "api": "/docs",
    "alerts": "/alerts",
}


@pytest.fixture(scope="module")
def demo(demo_folder: Path) -> Iterator[str]:
    """The demonstration, which collects every two seconds."""
    with demonstration(demo_folder, METEOROGRAPH_INTERVAL="2s") as address:
        yield address


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demonstration has its data."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module", params=[(1280, "light"), (390, "dark")], ids=["desktop by day", "phone by night"])
def look(request: pytest.FixtureRequest, chrome: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page of one width and scheme, and what goes wrong on it; its cache stays warm from view to view."""
    width, scheme = request.param
    with opened(chrome, width, 844, scheme) as opened_:
        yield opened_


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_whole_fits_and_keeps_nobody_out(look: tuple[Page, list[str]], url: str, view: str) -> None:
    page, wrong = look
    wrong.clear()
    page.goto(url + VIEWS[view])
    if view in ("location", "year"):
        expect(page.locator("svg.meteogram:visible")).to_have_count(1)
        assert page.locator("script[src*=plotly]").count() == 0
    settle(page)
    if view == "explore":
        assert page.locator("#chart .scatterlayer .trace").count() >= 5
    expect(page.locator("h1")).not_to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page itself scrolls sideways"
    assert page.evaluate("[...document.querySelectorAll('.top nav')].every(nav => nav.scrollWidth <= nav.clientWidth)")
    assert barriers(page) == []
    assert wrong == []


def test_a_gap_is_found_by_keyboard_and_says_why(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{url}/coverage")
        page.locator(".heat tbody a[data-cell]").last.focus()
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 11
        assert page.locator("[data-cell][tabindex='0']").count() == 1, "the map is one stop of the keyboard"
        red = page.locator(".heat td.c1 a, .heat td.c2 a").first
        red.focus()
        tip = page.locator("#tip")
        expect(tip).to_contain_text("missed because")
        page.keyboard.press("Enter")
        expect(page.locator("svg.meteogram:visible")).to_have_count(1)
        expect(page.get_by_role("heading", name="Gaps")).to_be_in_viewport()
        gaps = page.locator(".gaps li")
        expect(gaps.first).to_contain_text(re.compile("the service was down|the provider failed"))
        assert wrong == []


def test_a_gap_is_healed_from_the_page(chrome: Browser, demo: str, demo_folder: Path) -> None:
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
    with closing(sqlite3.connect(demo_folder / "data" / "demo.db", timeout=30)) as file, file:
        place = "(SELECT id FROM locations WHERE name = 'Nairobi')"
        file.execute(f"DELETE FROM weather_data WHERE location_id = {place} AND due_at = ?", [at.timestamp()])  # noqa: S608
        file.execute(  # as the ledger leaves it when a slot was given up
            f"INSERT INTO missed (location_id, due_at, reason, tries, closed_at) VALUES ({place}, ?, 'down', 3, 0)",  # noqa: S608
            [at.timestamp()],
        )
    with opened(chrome) as (page, wrong):
        page.goto(f"{demo}/location?name=Nairobi&range=7d&zone=UTC")
        gap = page.locator(".gaps li").filter(has_text=f"{at:%Y-%m-%d %H:%M}")
        gap.get_by_role("button", name="Try again").click()
        expect(page.locator("#retried")).to_contain_text("1 slot will be requested again")
        expect(gap).to_have_count(0, timeout=240_000)  # a round of healing comes each minute, and takes as long as the machine
        assert wrong == []


def test_charts_are_zoomed_by_buttons_and_break_at_gaps(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{url}/location?name=Athens&range=7d")
        page.get_by_role("link", name="Explore freely").click()
        expect(page.locator("#chart[data-drawn]")).to_be_visible()
        drawn = page.evaluate("document.getElementById('chart').data.map(trace => [trace.name, trace.y])")
        temperature = next(values for name, values in drawn if name == "Temperature")
        assert None in temperature
        assert {"flagged", "backfilled"} <= {name for name, _ in drawn}
        span = "(([a, b]) => Date.parse(b) - Date.parse(a))(document.getElementById('chart').layout.xaxis.range)"
        whole = page.evaluate(span)
        page.get_by_role("button", name="Zoom in").press("Enter")
        page.wait_for_function(f"() => {span} < {whole} * 0.6")
        page.get_by_role("button", name="Whole").click()
        page.wait_for_function(f"() => {span} === {whole}")
        colors = "[...document.querySelectorAll('#chart .scatterlayer path.js-line')].map(line => line.style.stroke).join()"
        before = page.evaluate(colors)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"() => {colors} !== {before!r}")
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        lines = Path(download.value.path()).read_text().splitlines()
        assert download.value.suggested_filename == "Athens.csv"
        assert 120 < len(lines) < 170
        assert wrong == []


def test_a_reader_chooses_light_or_dark_whatever_the_system_prefers(chrome: Browser, url: str) -> None:
    colours = "[document.body, document.querySelector('select')].map(one => getComputedStyle(one).backgroundColor).join(' ')"
    with opened(chrome) as (page, wrong):
        page.goto(url)
        light = page.evaluate(colours)
        page.get_by_label("Colours").select_option("Dark")
        page.wait_for_url("**theme=dark*")
        dark = page.evaluate(colours)
        assert len({*light.split(") "), *dark.split(") ")}) == 4
        page.goto(f"{url}/location?name=Athens&explore=1")  # kept by the cookie
        assert page.evaluate(colours) == dark
        expect(page.locator("#chart[data-drawn]")).to_be_visible()
        drawn = page.evaluate("document.getElementById('chart').layout.font.color")
        assert drawn == page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--soft').trim()")
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", "paper is white"
        page.emulate_media(media="screen", color_scheme="dark")
        page.goto(f"{url}/?theme=light")
        assert page.evaluate(colours) == light
        page.goto(f"{url}/?theme=auto")
        assert page.evaluate(colours) == dark
        assert wrong == []


def test_the_meteogram_is_read_by_pointer_and_keyboard_and_zoomed(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{url}/location?name=Athens&range=7d")
        readout, slider = page.locator("#readout"), page.get_by_role("slider")
        expect(readout).to_contain_text("OpenWeatherMap")
        newest = readout.inner_text()
        expect(readout).to_contain_text(re.compile(r"rain \d\d:00 to \d\d:00 \d+\.\d mm"))
        slider.focus()
        page.keyboard.press("ArrowLeft")
        expect(readout).not_to_have_text(newest)
        page.locator("#values").evaluate(
            'script => { script.textContent = script.textContent.replace(/"until": *\\d+/, \'"until":0\') }'
        )
        page.keyboard.press("ArrowLeft")
        expect(readout).to_contain_text(re.compile(r"rain since \d\d:00 \d+\.\d mm"))
        assert (slider.get_attribute("aria-valuetext") or "").startswith(readout.locator("strong").inner_text())
        assert page.locator("svg.meteogram:visible .m-cursor").evaluate("line => line.style.visibility") == "visible"
        frame = slider.bounding_box()
        assert frame is not None
        middle = frame["y"] + frame["height"] / 2
        page.mouse.move(frame["x"] + frame["width"] * 0.5, middle)
        expect(readout).not_to_have_text(newest)
        page.mouse.down()
        page.mouse.move(frame["x"] + frame["width"] * 0.7, middle)
        page.mouse.up()
        page.wait_for_url(re.compile("start=.*end="))
        expect(page.get_by_role("link", name="Later")).to_be_visible()
        length = (
            "(() => { const data = JSON.parse(document.getElementById('values').textContent); return data.end - data.start; })()"
        )
        assert 24 * 3600 < page.evaluate(length) < 2 * 24 * 3600
        assert wrong == []


def test_the_head_is_one_row_on_a_desktop_and_temperatures_stand_below_each_other(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        for code in ("en", "de", "es"):
            page.goto(f"{url}/?lang={code}")
            assert page.evaluate("document.querySelector('.top').clientHeight") < 80, code
        ends = page.locator(".values .lead small").evaluate_all(
            "all => all.map(one => Math.round(one.getBoundingClientRect().left))"
        )
        assert len(ends) == 12
        assert max(ends) - min(ends) <= 1
        assert wrong == []


def test_a_list_is_filtered(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(url)
        assert page.locator("tbody tr").count() == 12
        page.get_by_role("searchbox").fill("LON")
        expect(page.locator("tbody tr")).to_have_count(1)  # while it is typed
        assert page.url.endswith("/?q=LON")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.get_by_role("searchbox").fill("")
        page.get_by_label("Show").select_option("stale")
        expect(page.locator("tbody th")).to_contain_text(["Nairobi"])
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_label("Show").select_option("all")
        page.get_by_role("link", name="Temperature").press("Enter")
        expect(page.locator("th[aria-sort=descending]")).to_contain_text("Temperature")
        assert wrong == []


def test_a_filter_stays_when_a_preference_is_chosen(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(url)
        page.get_by_role("searchbox").fill("lon")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_label("Colours").select_option("Dark")
        page.wait_for_url("**theme=dark*")
        expect(page.locator("tbody tr")).to_have_count(1)
        assert "q=lon" in page.url
        page.get_by_role("searchbox").fill("")
        expect(page.locator("tbody tr")).to_have_count(12)
        page.get_by_label("Colours").select_option("Light")
        page.wait_for_url("**theme=light*")
        assert "q=" not in page.url
        page.goto(f"{url}/compare?location=Athens&location=London")
        page.get_by_label("Units").select_option("imperial")
        page.wait_for_url("**units=imperial*")
        assert page.url.count("location=") == 2
        assert page.url.index("Athens") < page.url.index("London")
        assert wrong == []


def test_units_and_zone_are_chosen_in_the_header_and_kept(chrome: Browser, url: str) -> None:
    with opened(chrome, zone="Asia/Tokyo") as (page, wrong):
        page.goto(url)
        page.get_by_label("Units").select_option("imperial")
        expect(page.get_by_role("columnheader", name="Temperature")).to_contain_text("°F")
        page.get_by_label("Time zone").select_option(label="Browser: Asia/Tokyo")
        expect(page.locator("#sentence")).to_contain_text("JST")
        page.goto(url)
        expect(page.get_by_role("columnheader", name="Wind")).to_contain_text("mph")
        assert page.get_by_label("Time zone").input_value() == "Asia/Tokyo"
        assert wrong == []


def test_the_focus_stays_where_it_is_when_a_page_is_renewed_or_loaded_anew(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.clock.install()
        page.goto(url)
        for focused in ("#details summary", "#list .scroll", "#as-map", "#list thead a >> nth=2"):
            page.locator(focused).focus()
            page.evaluate("document.activeElement.dataset.old = 'yes'; tag = null")
            page.clock.run_for(31_000)
            expect(page.locator("[data-old]")).to_have_count(0)
            expect(page.locator(focused)).to_be_focused()
        page.get_by_label("Units").focus()
        page.keyboard.press("ArrowDown")
        page.wait_for_url("**units=imperial*")
        expect(page.get_by_label("Units")).to_be_focused()
        page.goto(f"{url}/runs")
        expect(page.locator("body")).to_be_focused()
        assert wrong == []


def test_every_stop_of_the_keyboard_is_seen(chrome: Browser, url: str) -> None:
    with opened(chrome, 1280, 2000) as (page, wrong):
        for path in (
            "/",
            "/?view=map",
            "/locations",
            "/locations/edit?name=London",
            "/settings",
            "/docs",
            "/location?name=Nowhere",
        ):
            page.goto(url + path)
            settle(page)
            stops = page.locator("a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']")
            count = sum(one.is_visible() and one.is_enabled() for one in stops.all())
            radios = max(0, page.locator("input[type=radio]:visible").count() - 1)  # a group is one stop
            for _ in range(count - radios):
                page.keyboard.press("Tab")
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement === document.body || document.activeElement.matches('.skip')"), path
        assert [text for text in wrong if "404" not in text] == []


def test_colours_of_the_readers_own_leave_the_legend_its_dots(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.emulate_media(forced_colors="active")
        page.goto(f"{url}/?view=map")
        settle(page)
        dots = "[...document.querySelectorAll('#legend span')].map(one => getComputedStyle(one, '::before').backgroundColor)"
        assert len(set(page.evaluate(dots))) > 5
        assert page.evaluate("getComputedStyle(document.querySelector('#legend span'), '::before').content") == '""'
        assert wrong == []


def test_paper_has_the_weather_alone_with_the_time_of_it(chrome: Browser, url: str) -> None:
    with opened(chrome, scheme="dark") as (page, wrong):
        for path in ("/", "/?view=map", "/location?name=London&range=7d", "/settings"):
            page.goto(url + path)
            settle(page)
            page.emulate_media(media="print")
            expect(
                page.locator("button:visible, select:visible, input:visible, .top nav:visible, .leaflet-bar:visible")
            ).to_have_count(0)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            page.emulate_media(media="screen")
        page.goto(url)
        page.emulate_media(media="print")
        printed = "getComputedStyle(document.querySelector('#sentence time'), '::after').content"
        assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d", page.evaluate(printed)), "on paper an age says nothing"
        assert wrong == []


def test_nothing_that_needs_scripts_is_shown_without_them(chrome: Browser, url: str) -> None:
    context = chrome.new_context(java_script_enabled=False)
    page = context.new_page()
    for path in ("/locations", "/locations/edit?name=London", "/alerts", "/location?name=London&range=7d", "/", "/?view=map"):
        page.goto(url + path)
        expect(page.locator("main")).to_be_visible()
        expect(page.locator("a[href*='/locations/edit']:visible, #quantity:visible")).to_have_count(0)
        expect(page.locator("button[type=button]:visible, form[data-script]:visible")).to_have_count(0)
    context.close()


def test_the_overview_works_without_scripts(chrome: Browser, url: str) -> None:
    context = chrome.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(url)
        page.get_by_role("searchbox").fill("lon")
        page.get_by_label("Units").select_option("imperial")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_label("Units").select_option("si")
        page.get_by_role("button", name="Set").click()
        expect(page.get_by_role("columnheader", name="Temperature")).to_contain_text("K")
        expect(page.locator("tbody tr")).to_have_count(1)
    finally:
        context.close()


def test_a_place_is_found_added_edited_collected_and_removed(chrome: Browser, demo: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{demo}/locations")
        page.get_by_label("Name of a place").fill("Reykjavik")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("button", name="Reykjavik, Capital Region, Iceland").click()
        form = page.locator("#add")
        form.get_by_label("Tags").fill("north, coast")
        form.get_by_role("button", name="Add", exact=True).click()
        expect(form.get_by_role("status")).to_contain_text("Reykjavik was added")
        expect(form.get_by_role("link", name="Show it")).to_have_attribute("href", "/location?name=Reykjavik")
        for label, text in (("Name", "The <same>"), ("Latitude", "64.13549"), ("Longitude", "\u221221.8954")):
            form.get_by_label(label).fill(text)
        form.get_by_role("button", name="Add", exact=True).click()
        expect(form.get_by_role("status")).to_have_text("'The <same>' is 1 m from 'Reykjavik'. Is it another place?")
        row = page.get_by_role("row").filter(has_text="The <same>")
        expect(row).to_have_count(0)
        form.get_by_role("button", name="Add it all the same").click()
        expect(row).to_have_count(1)
        row = page.get_by_role("row").filter(has_text="Reykjavik")
        expect(row.locator(".tag")).to_have_text(["coast", "north"])
        expect(row.locator("time")).to_be_visible()  # without a reload
        row.get_by_role("link", name="Edit Reykjavik").click()
        page.get_by_label("Name").fill("Reykjavík")
        page.get_by_label("Tags").fill("capital")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("h1")).to_have_text("Edit Reykjavík")
        expect(page.get_by_label("Tags")).to_have_value("capital")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("It is paused")).to_be_visible()
        page.get_by_role("button", name="Collect now").press("Enter")
        expect(page.locator("section > .result")).to_contain_text(re.compile(r"openweathermap has answered: -?\d+\.\d °C"))
        page.get_by_role("button", name="Resume").press("Enter")
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_label("Delete its rows too").check()
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_role("heading", name="Locations")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="Reykjavík")).to_have_count(0)
        # The console tells of every answer with an error, whatever a script does with it.
        assert [text for text in wrong if "409 (CONFLICT)" not in text] == []


def test_a_name_that_no_place_has_is_no_success_and_leaves_nothing_of_an_earlier_one(chrome: Browser, demo: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{demo}/locations")
        name, form, found = page.get_by_label("Name of a place"), page.locator("#add"), page.locator("#found")
        fields = [form.get_by_label(label) for label in ("Name", "Latitude", "Longitude", "Elevation", "Time zone")]
        name.fill("Reykjavik")
        name.press("Enter")
        page.get_by_role("button", name="Reykjavik, Capital Region, Iceland").click()
        expect(fields[1]).to_have_value("64.13548")
        form.get_by_label("Tags").fill("north")
        name.fill("Zzyzxville")
        name.press("Enter")
        expect(found).to_have_class("result bad")
        expect(found).to_have_text("No place has this name. Enter its coordinates below.")
        assert [field.input_value() for field in fields] == ["Zzyzxville", "", "", "", ""]
        expect(form.get_by_label("Tags")).to_have_value("north")
        fields[0].fill("My garden")
        fields[1].fill("12.5")
        name.press("Enter")
        expect(found).to_have_class("result bad")
        assert [field.input_value() for field in fields] == ["My garden", "12.5", "", "", ""], "what was typed stays"
        assert wrong == []


def test_long_names_and_conditions_stay_within_a_phone(chrome: Browser, demo: str) -> None:
    name = "W" * 200
    with opened(chrome, 360, 740) as (page, wrong):
        page.request.post(f"{demo}/api/locations", data={"name": name, "latitude": -45.0, "longitude": 170.0})
        for path in (f"/location?name={name}", f"/locations/edit?name={name}", "/alerts", "/"):
            page.goto(f"{demo}{path}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page.goto(f"{demo}/alerts")
        assert page.locator("#add select").first.evaluate("one => one.getBoundingClientRect().right < innerWidth")
        page.request.delete(f"{demo}/api/locations/{name}?data=delete")
        assert wrong == []


def test_a_rule_is_added_silenced_and_removed(chrome: Browser, demo: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{demo}/alerts")
        page.get_by_text("Add a rule").click()
        form = page.locator("#add")
        form.get_by_label("Name", exact=True).fill("rain in Athens")
        expect(form.locator("[name=hours]")).to_be_hidden()
        form.get_by_label("Condition").select_option("rain")
        form.get_by_label("Limit").fill("40 mm")
        form.locator("[name=locations]").fill("Athens; London")
        form.get_by_role("button", name="Add").click()
        expect(form.get_by_role("status")).to_contain_text("limit")
        form.get_by_label("Limit").fill("40")
        form.get_by_role("button", name="Add").click()
        expect(form.get_by_role("status")).to_contain_text("rain in Athens was added")
        row = page.get_by_role("row").filter(has_text="rain in Athens")
        expect(row).to_contain_text("40 mm of precipitation or more in 24 h")
        expect(row).to_contain_text("Athens, London")
        row.get_by_role("button", name="Silence rain in Athens for 24 h").click()
        expect(row).to_contain_text("silent until")
        row.get_by_role("button", name="End the silence of rain in Athens").click()
        expect(row).not_to_contain_text("silent until")
        page.on("dialog", lambda dialog: dialog.accept())
        row.get_by_role("button", name="Remove rain in Athens").click()
        expect(row).to_have_count(0)
        assert [text for text in wrong if "400 (BAD REQUEST)" not in text] == []


def test_a_background_task_is_cancelled(chrome: Browser, url: str) -> None:
    with opened(chrome, 360, 740) as (page, wrong):
        page.goto(f"{url}/jobs?lang=es")
        row = page.locator("#tasks tr", has_text="rows_of_the_whole_year")
        expect(row).to_contain_text("en espera")
        expect(page.locator("#tasks tr", has_text="given up: 3 attempts").locator("button")).to_have_count(0)
        button = row.get_by_role("button", name="Cancelar la operación")
        page.on("dialog", lambda dialog: dialog.accept())
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#cancelled")).to_contain_text("está cancelada")
        expect(row).to_contain_text("cancelada")
        expect(row.locator("button")).to_have_count(0)
        assert wrong == []


def test_what_is_wrong_with_a_place_or_a_file_is_told(chrome: Browser, demo: str, tmp_path: Path) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{demo}/locations")
        form = page.locator("#add")
        for label, text in (("Name", "Nowhere"), ("Latitude", "91"), ("Longitude", "x"), ("Schedule", "7h30")):
            form.get_by_label(label).fill(text)
        form.get_by_role("button", name="Add", exact=True).click()
        told = form.get_by_role("status")
        for field in ("latitude", "longitude", "schedule"):
            expect(told).to_contain_text(f"{field}: must be")
        file = tmp_path / "places.csv"
        file.write_text("name,latitude,longitude\nBergen,60.39,5.32\nOslo,159.91,10.75\n", encoding="utf-8")
        imported = page.locator("#import")
        imported.get_by_label("CSV or GeoJSON").set_input_files(file)
        imported.get_by_role("button", name="Preview").click()
        expect(imported.get_by_role("status")).to_contain_text("line 3")
        expect(imported.get_by_role("button", name="Import")).to_have_count(0)
        imported.get_by_label("Skip invalid rows").check()
        imported.get_by_role("button", name="Preview").click()
        expect(imported.get_by_role("status")).to_contain_text("+ Bergen")
        expect(page.get_by_role("row").filter(has_text="Bergen")).to_have_count(0)
        imported.get_by_role("button", name="Import").click()
        expect(imported.get_by_role("status")).to_contain_text("1 added, 0 updated, 0 unchanged, 1 skipped.")
        expect(page.get_by_role("row").filter(has_text="Bergen")).to_be_visible()
        # The console tells of every answer with an error, whatever a script does with it.
        assert [text for text in wrong if "400 (BAD REQUEST)" not in text] == []


def test_the_page_renews_itself_and_says_when_it_cannot(chrome: Browser, demo: str) -> None:
    with opened(chrome) as (page, _):
        page.clock.install()
        page.goto(demo)
        link = page.get_by_role("link", name="Athens")
        link.focus()
        page.evaluate("window.kept = true")
        page.context.set_offline(True)
        page.clock.run_for(6_000)
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        page.context.set_offline(False)
        page.clock.run_for(6_000)
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.locator("#list tbody tr").first).to_be_visible()
        assert page.evaluate("window.kept"), "the page was loaded anew"
        expect(link).to_be_focused()
