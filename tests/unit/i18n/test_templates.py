"""Templates: every text that a reader sees or hears goes through the catalogues."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment

import meteorograph

TEMPLATES = Path(meteorograph.__file__).parent / "web" / "templates"

#: What stands for an expression in the text of a template.
HOLE = "\x00"

#: Attributes that a reader sees or hears.
SPOKEN = ("aria-label", "title", "placeholder", "alt", "aria-description")

#: The same in every language: names, addresses, units, and examples of what a field takes.
SAME = re.compile(
    r"Meteorograph|UTC|API|/data/latest|/health|/metrics|Europe/London|51\.5074|-0\.1278|22:00-07:00"
    r"|\bkm\b|\bm\b|\bh\b|\bs\b|°C|https?://\S+"
)

LETTERS = re.compile(r"[A-Za-z]{2,}|\b[A-Za-z]\b")


class Texts(HTMLParser):
    """The texts of a page, and of its attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "code") or ("lang", "en") in attrs or (self._inside and tag == self._inside[-1]):
            self._inside.append(tag)
        if not self._inside:
            self.found += [value or "" for name, value in attrs if name in SPOKEN]

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.found.append(data)


def _literal_texts(source: str) -> list[str]:
    """What a template writes itself, without what its expressions and statements write."""
    parts, depth = [], 0
    for _, kind, value in Environment(autoescape=True).lex(source):
        if kind == "data" and not depth:
            parts.append(value)
        elif kind in ("variable_begin", "block_begin", "comment_begin", "raw_begin"):
            depth += 1
        elif kind in ("variable_end", "block_end", "comment_end", "raw_end"):
            depth -= 1
            parts.append(HOLE if kind == "variable_end" else "")
    texts = Texts()
    texts.feed("".join(parts))
    texts.close()
    return [text.replace(HOLE, "").strip() for text in texts.found if LETTERS.search(SAME.sub("", text.replace(HOLE, " ")))]


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_a_template_has_no_text_outside_of_the_catalogues(path: Path) -> None:
    assert not _literal_texts(path.read_text(encoding="utf-8"))


def test_a_style_sheet_writes_no_words() -> None:
    for path in (TEMPLATES.parent / "static").glob("*.css"):
        contents = re.findall(r"content: *\"([^\"]*)\"", path.read_text(encoding="utf-8"))
        assert not [one for one in contents if LETTERS.search(one)], path.name


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>{{ _('Wind') }}</p>", []),
        ("<p>Wind</p>", ["Wind"]),
        ("<p>{% if x %}{{ _('Wind') }}{% else %}no wind{% endif %}</p>", ["no wind"]),
        ('<a title="{{ _("Wind") }}" href="wind">{{ x }} km</a>', []),
        ('<input placeholder="Name of a place">', ["Name of a place"]),
        ("<code>meteorograph gaps</code>", []),
        ('<div lang="en"><div>Routes</div> <p title="API">and more</p></div><p>Wind</p>', ["Wind"]),
        ('<p class="soft">{{ value }}{# a comment #}</p>', []),
    ],
)
def test_the_search_finds_what_a_reader_sees(source: str, found: list[str]) -> None:
    assert _literal_texts(source) == found
