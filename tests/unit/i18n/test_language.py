# ruff: noqa: RUF001  # Greek texts are Greek
"""Languages: phrases, numbers, dates, and the choice of a language by what a browser prefers."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from meteorograph.i18n import (
    CODES,
    ENGLISH,
    DateStyle,
    Language,
    Phrase,
    get_language,
    joined,
    phrase_in,
    phrase_n,
    preferred_code,
)
from meteorograph.web.page.filters import ago, duration, instant, number, percent
from support import NOON

GERMAN, FRENCH, SPANISH, GREEK = (get_language(code) for code in ("de", "fr", "es", "el"))
THIN, NARROW = "\xa0", "\u202f"
MINUS = "−"


def test_a_phrase_is_its_english_text() -> None:
    phrase = Phrase("the journal cannot be written: {reason}", reason="disk full")
    assert phrase == "the journal cannot be written: disk full"
    assert phrase.startswith("the journal")
    assert json.dumps(phrase) == '"the journal cannot be written: disk full"'
    assert msgspec.json.encode(str(phrase)) == json.dumps(phrase).encode()
    assert GERMAN.say(phrase) == "das Journal lässt sich nicht schreiben: disk full"
    assert GERMAN.say(pickle.loads(pickle.dumps(phrase))) == GERMAN.say(phrase)  # noqa: S301  # our own


def test_a_phrase_may_have_phrases_and_instants_in_it() -> None:
    since = Phrase("the last good one is of {time}", time=NOON)
    phrase = Phrase("the last backup failed, {since}: {reason}", since=since, reason="no space")
    assert phrase == "the last backup failed, the last good one is of 2026-03-01T12:00:00+00:00: no space"
    assert (
        GERMAN.say(phrase)
        == "die letzte Sicherung ist fehlgeschlagen, die letzte gute ist von 2026-03-01T12:00:00+00:00: no space"
    )
    both = joined([Phrase("steady"), Phrase("rising")], "; ")
    assert (both, GERMAN.say(both)) == ("steady; rising", "gleichbleibend; steigend")


@pytest.mark.parametrize(
    ("count", "texts"),
    [
        (0, ("0 places", "0 Orte", "0 lieu", "0 lugares", "0 τοποθεσίες")),
        (1, ("1 place", "1 Ort", "1 lieu", "1 lugar", "1 τοποθεσία")),
        (2, ("2 places", "2 Orte", "2 lieux", "2 lugares", "2 τοποθεσίες")),
        (12345, ("12,345 places", "12.345 Orte", f"12{NARROW}345 lieux", "12.345 lugares", "12.345 τοποθεσίες")),
    ],
)
def test_counts_have_the_forms_of_the_language(count: int, texts: tuple[str, ...]) -> None:
    phrase = phrase_n("{count:,} place", "{count:,} places", count)
    assert tuple(get_language(code).say(phrase) for code in CODES) == texts


def test_a_context_tells_words_apart() -> None:
    assert GERMAN.say(phrase_in("key", "active")) == "gültig"
    assert GERMAN.say(phrase_in("place", "active")) == "aktiv"
    assert phrase_in("key", "active") == "active"


def test_html_is_escaped_where_it_is_data() -> None:
    assert ENGLISH.markup_n("{count} slot", "{count} slots", 2529) == "2,529 slots"
    said = GERMAN.markup("Climate of {place}", place="<b>Athens</b>")
    assert said == "Klima von &lt;b&gt;Athens&lt;/b&gt;"
    assert GERMAN.markup("<code>meteorograph gaps</code> lists more.").startswith("<code>")
    reason = Phrase("{provider} refuses the key: {reason}", provider="nws", reason="<script>")
    assert "&lt;script&gt;" in GERMAN.markup(reason)
    nested = Phrase("the last backup failed, {since}: {reason}", since=reason, reason="x")
    assert "&lt;script&gt;" in GERMAN.markup(nested), "a phrase inside of a phrase is data too"


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (ENGLISH, (f"{MINUS}3.5", "2,529", "1013.2", "12,345.7", "95.8 %", "3 d", "7 min ago")),
        (GERMAN, (f"{MINUS}3,5", "2.529", "1013,2", "12.345,7", f"95,8{THIN}%", "3 d", "vor 7 min")),
        (FRENCH, (f"{MINUS}3,5", f"2{NARROW}529", "1013,2", f"12{NARROW}345,7", f"95,8{THIN}%", "3 j", "il y a 7 min")),
        (SPANISH, (f"{MINUS}3,5", "2.529", "1013,2", "12.345,7", f"95,8{THIN}%", "3 d", "hace 7 min")),
        (GREEK, (f"{MINUS}3,5", "2.529", "1013,2", "12.345,7", "95,8%", "3 ημ.", "πριν από 7 λεπ.")),
    ],
    ids=CODES,
)
def test_numbers_are_written_as_the_language_does(language: Language, texts: tuple[str, ...]) -> None:
    assert (
        number(-3.46, 1, language=language),
        number(2529, language=language),
        number(1013.2, 1, language=language),
        number(12345.678, 1, language=language),
        percent(0.9583, language=language),
        duration(3 * 86400, language=language),
        ago(NOON - timedelta(minutes=7), NOON, language=language),
    ) == texts


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        (
            "en",
            (
                "2026-03-01",
                "1 Mar",
                "1 Mar 2026",
                "1 March 2026",
                "Sun 1 Mar",
                "Sunday 1 March",
                "Mar 2026",
                "Mar",
                "March",
                "Sun",
            ),
        ),
        (
            "de",
            (
                "01.03.2026",
                "1. März",
                "1. März 2026",
                "1. März 2026",
                "So., 1. März",
                "Sonntag, 1. März",
                "März 2026",
                "Mär",
                "März",
                "So",
            ),
        ),
        (
            "fr",
            (
                "01/03/2026",
                "1 mars",
                "1 mars 2026",
                "1 mars 2026",
                "dim. 1 mars",
                "dimanche 1 mars",
                "mars 2026",
                "mars",
                "mars",
                "dim.",
            ),
        ),
        (
            "es",
            (
                "01/03/2026",
                "1 mar",
                "1 mar 2026",
                "1 de marzo de 2026",
                "dom, 1 mar",
                "domingo, 1 de marzo",
                "mar 2026",
                "mar",
                "marzo",
                "dom",
            ),
        ),
        (
            "el",
            (
                "01/03/2026",
                "1 Μαρ",
                "1 Μαρ 2026",
                "1 Μαρτίου 2026",
                "Κυρ 1 Μαρ",
                "Κυριακή 1 Μαρτίου",
                "Μαρ 2026",
                "Μάρ",
                "Μάρτιος",
                "Κυρ",
            ),
        ),
    ],
)
def test_dates_are_written_as_the_language_does(code: str, texts: tuple[str, ...]) -> None:
    styles = ("NUMERIC", "DAY", "DAY_YEAR", "LONG", "WEEKDAY_DAY", "WEEKDAY_LONG", "MONTH_YEAR", "MONTH", "MONTH_LONG", "WEEKDAY")
    language = get_language(code)
    assert tuple(language.date(date(2026, 3, 1), DateStyle[style]) for style in styles) == texts


def test_an_english_date_never_changes_with_the_locale_data() -> None:
    assert ENGLISH.date(date(2026, 9, 5), DateStyle.DAY) == "5 Sep"
    at = datetime(2026, 9, 5, 7, 8, tzinfo=UTC)
    assert (instant(at), instant(at, language=GERMAN)) == ("2026-09-05 07:08", "05.09.2026 07:08")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ([], "en"),
        (["de-AT", "en"], "de"),
        (["pt-BR", "es-419"], "es"),
        (["ja", "zh-Hant"], "en"),
        (["EL-gr"], "el"),
    ],
)
def test_a_language_is_the_first_one_that_we_have(wanted: list[str], code: str) -> None:
    assert preferred_code(wanted) == code


def test_commands_start_without_the_locale_data() -> None:
    """Babel takes longer to import than most commands need."""
    code = "import sys, meteorograph.cli.main, meteorograph.web.app; print([one for one in sys.modules if 'babel' in one])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
