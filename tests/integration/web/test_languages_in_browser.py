"""Pages in other languages in a real browser: they fit on a phone, keep nobody out, and their scripts speak the language too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import barriers, cut_texts, opened, settle
from meteorograph.i18n import get_language
from meteorograph.web.page.icons import WORDS

VIEWS = {
    "overview": "/",
    "map": "/?view=map",
    "location": "/location?name=London&range=7d",
    "explore": "/location?name=Tokyo&range=7d&explore=1",
    "coverage": "/coverage",
    "calendar": "/coverage?days=365&location=London",
    "runs": "/runs",
    "jobs": "/jobs",
    "locations": "/locations",
    "settings": "/settings",
    "climate": "/climate?location=London",
    "compare": "/compare?location=London&location=Tokyo&location=Athens&range=7d",
    "edit": "/locations/edit?name=London",
    "sign in": "/sign-in",
    "alerts": "/alerts",
}


#: The first elements that reach beyond the right edge, for the message of a test.
_TOO_WIDE = """[...document.querySelectorAll("body *")]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, .vh, .leaflet-container, .chart"))
    .map(one => one.outerHTML.slice(0, 200)).slice(0, 3)"""


#: Gives all places the same weather.
_SAY = "text => document.querySelectorAll('.values .sky span').forEach(one => { one.textContent = text; })"


@pytest.fixture(scope="module", params=["de", "fr", "es", "el"])
def phone(request: pytest.FixtureRequest, chrome: Browser, url: str) -> Iterator[tuple[Page, list[str], str]]:
    """A narrow page in one language, which its cookie keeps, and what goes wrong on it."""
    with opened(chrome, 360, 740) as (page, wrong):
        page.goto(f"{url}/?lang={request.param}")
        yield page, wrong, request.param


@pytest.mark.parametrize("view", VIEWS)
def test_a_page_fits_on_a_small_phone_in_each_language(phone: tuple[Page, list[str], str], url: str, view: str) -> None:
    page, wrong, code = phone
    wrong.clear()
    page.goto(url + VIEWS[view])
    settle(page)
    expect(page.locator("h1")).not_to_have_count(0)
    assert page.locator("html").get_attribute("lang") == code
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.evaluate(_TOO_WIDE)
    assert [text for text in cut_texts(page) if "…" not in text] == []  # the longest conditions of alerts end in dots
    if code == "de":
        assert barriers(page) == []
    assert wrong == []


@pytest.mark.parametrize("code", ["de", "fr", "es", "el"])
def test_the_list_has_whole_words_at_each_width(chrome: Browser, url: str, code: str) -> None:
    """Whatever the weather is."""
    words = [get_language(code).say(phrase) for phrase in WORDS.values()]
    with opened(chrome) as (page, wrong):
        page.goto(f"{url}/?lang={code}")
        for width in (320, 352, 360, 375, 390, 430, 480, 600, 768):
            page.set_viewport_size({"width": width, "height": 740})
            for text in words:
                page.evaluate(_SAY, text)
                assert cut_texts(page) == [], width
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert wrong == []


def test_a_language_is_chosen_in_the_header_and_kept(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{url}/compare?location=London&location=Tokyo")
        page.get_by_label("Language").select_option(label="Deutsch")
        expect(page.get_by_role("heading", name="Orte vergleichen")).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(2)  # what the address says else is kept
        page.goto(f"{url}/runs")
        expect(page.get_by_role("heading", name="Läufe", exact=True)).to_be_visible()
        page.get_by_label("Sprache").select_option(label="Ελληνικά")
        expect(page.get_by_role("heading", name="Εκτελέσεις", exact=True)).to_be_visible()
        assert wrong == []


def test_scripts_speak_the_language_of_the_page(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(f"{url}/location?name=London&range=7d&lang=de")
        expect(page.locator("#readout")).to_contain_text("Bewölkung")
        expect(page.locator("#readout")).to_contain_text(re.compile(r"\d,\d °C"))
        assert page.get_by_role("slider").get_attribute("aria-label") == "Zeit im Meteogramm"
        page.goto(f"{url}/location?name=London&range=7d&explore=1&lang=fr")
        expect(page.locator("#chart[data-drawn]")).to_be_visible()
        expect(page.locator("#chart")).to_contain_text("Pression au niveau de la mer")
        page.goto(f"{url}/?view=map&lang=es")
        expect(page.locator("#map-text")).to_contain_text("lugares aquí")
        page.goto(f"{url}/?lang=el")
        time = page.locator("tbody time").first
        page.evaluate("document.querySelector('tbody time').textContent = ''")
        expect(time).to_contain_text("πριν από")  # the script writes ages anew each second
        assert wrong == []


def test_a_number_of_a_form_is_read_as_its_language_writes_it(chrome: Browser, url: str) -> None:
    with opened(chrome) as (page, _):
        page.goto(f"{url}/locations/edit?name=London&lang=de")
        elevation = page.locator("[name=elevation]")
        result = page.locator("form:has([name=elevation]) .result")
        elevation.fill("1.013")  # a thousand, or one with decimals
        elevation.press("Enter")
        expect(result).to_contain_text("elevation")
        elevation.fill("35,5")
        elevation.press("Enter")
        expect(result).to_contain_text("gespeichert", ignore_case=True)
        page.goto(f"{url}/locations/edit?name=London&lang=en")
        expect(elevation).to_have_value("35.5")
