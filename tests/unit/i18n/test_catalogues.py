"""The catalogues: complete, up to date with the source, and with the placeholders and tags of the English texts."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

import meteorograph
from meteorograph.i18n import CODES
from meteorograph.i18n.catalogues import catalogue_path, load_catalogue
from meteorograph.i18n.extraction import as_text, extract, updated

LANGUAGES = [code for code in CODES if code != "en"]
SOURCE = Path(meteorograph.__file__).parent
EACH = pytest.mark.parametrize("code", LANGUAGES)

#: Tags, with what they say.
TAG = re.compile(r"<[^>]*>")


@cache
def _template() -> Catalog:
    return extract()


@cache
def _catalogue(code: str) -> Catalog:
    with catalogue_path(code).open("rb") as file:
        return read_po(file, locale=code, charset="utf-8")


def _messages(code: str) -> list[Message]:
    return [message for message in _catalogue(code) if message.id]


def _forms(text: object) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)  # type: ignore[arg-type]


def _fields(text: str) -> Counter[str]:
    return Counter(f"{name}:{spec}" for _, name, spec, _ in Formatter().parse(text) if name is not None)


@EACH
def test_a_catalogue_is_what_make_messages_writes(code: str) -> None:
    path = catalogue_path(code)
    assert path.read_text(encoding="utf-8") == as_text(updated(code, _template())), "run make messages, and translate what is new"


@EACH
def test_every_text_has_a_translation(code: str) -> None:
    missing = [message.id for message in _messages(code) if not all(form.strip() for form in _forms(message.string))]
    assert not missing
    assert not [message.id for message in _messages(code) if message.fuzzy]


@EACH
def test_every_text_has_as_many_forms_as_the_language(code: str) -> None:
    catalogue = _catalogue(code)
    counts = {len(_forms(message.string)) for message in _messages(code) if not isinstance(message.id, str)}
    assert counts == {catalogue.num_plurals}
    assert catalogue.plural_expr == Catalog(locale=code).plural_expr


@EACH
def test_placeholders_and_tags_are_those_of_the_english_text(code: str) -> None:
    wrong = []
    for message in _messages(code):
        english = _forms(message.id)
        fields = [_fields(one) for one in english]
        for said in _forms(message.string):
            # A form for one may leave the count out.
            is_same = _fields(said) in fields or (len(english) > 1 and _fields(said) + Counter({"count:": 1}) in fields)
            if not is_same or Counter(TAG.findall(said)) != Counter(TAG.findall(english[-1])):
                wrong.append((message.id, said))
    assert not wrong


@EACH
def test_a_translation_needs_no_escaping(code: str) -> None:
    """Texts are put into pages as HTML, and into attributes between double quotes."""
    texts = [form for message in _messages(code) for form in (*_forms(message.id), *_forms(message.string))]
    assert not [text for text in texts if re.search(r'["&<>]', TAG.sub("", text))]
    in_tags = {tag for text in texts for tag in TAG.findall(text)}
    assert in_tags <= {"<code>", "</code>", "<strong>", "</strong>", "<span>", "</span>"}


@EACH
def test_a_translation_begins_and_ends_as_the_english_text_does(code: str) -> None:
    """With the same stop, and with a capital letter where the English text has one and it is a sentence."""
    wrong = []
    for message in _messages(code):
        english, said = _forms(message.id)[-1], _forms(message.string)[-1]
        stops = {".": ".", "?": "?;", "…": "…"}
        if english[-1] in stops and said[-1] not in stops[english[-1]]:
            wrong.append((english, said))
        if english[-1] not in stops and said[-1] in ".?!" and not said.endswith(("ημ.", "ώ.", "λεπ.")):
            wrong.append((english, said))
    assert not wrong


def test_every_text_of_a_script_is_found() -> None:
    """The extraction reads JavaScript by its own rules, and overlooks texts inside of nested templates."""
    found = {key for message in _template() if message.id for key in _forms(message.id)}
    calls = re.compile(r"""\bsay(?:N|In)?\((?:"[a-z]+", )?"([^"]+)\"""")
    texts = [
        text for path in (SOURCE / "web" / "static").glob("*.js") for text in calls.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(texts) > 40
    assert not [text for text in texts if text not in found and text not in ("unit", "place")]


@EACH
def test_scripts_get_the_texts_that_they_have(code: str) -> None:
    scripts = load_catalogue(code).scripts
    assert scripts["gaps.js"]["{count} slot will be requested again within a minute."]
    assert scripts["live.js"]["unit\x04min"], "a text with a context"
    assert "api.js" in scripts


def test_a_page_with_a_script_has_its_texts() -> None:
    scripts, missing = load_catalogue("de").scripts, []
    for path in (SOURCE / "web" / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        given = re.findall(r'"([a-z_]+\.js)"', " ".join(re.findall(r"\{\{ texts\(([^)]*)\)", text)))
        loaded = re.findall(r"filename='([a-z_]+\.js)'", text)
        missing += [(path.name, name) for name in loaded if name in scripts and name not in given]
    assert not missing


def test_texts_that_are_equal_in_english_only_have_contexts() -> None:
    german = _catalogue("de")
    open_, run = german.get("open", "incident"), german.get("failed", "run")
    assert open_ is not None
    assert run is not None
    assert open_.string == "offen"
