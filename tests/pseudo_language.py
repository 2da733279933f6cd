"""A language in which each text of ours stands between brackets: what a page shows outside of them was not translated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from meteorograph.i18n import catalogues, get_language
from meteorograph.i18n.extraction import as_text, extract, updated

OPEN, CLOSE = "⟦", "⟧"

#: A bracketed text without brackets in it.
_BRACKETED = re.compile(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")

#: Attributes that a reader sees or hears, and options with a text in an attribute.
_SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-unit", "data-label")


@contextmanager
def pseudo_language(folder: Path) -> Iterator[str]:
    """The code of a language with a catalogue of brackets, and with the numbers and dates of German."""
    path = folder / "de" / "LC_MESSAGES" / "meteorograph.po"
    path.parent.mkdir(parents=True)
    path.write_text(_bracketed(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogues, "FOLDER", folder)
        forget()
        yield "de"
    forget()


@cache
def _bracketed() -> str:
    catalogue = updated("de", extract())
    for message in catalogue:
        if isinstance(message.id, str):
            message.string = f"{OPEN}{message.id}{CLOSE}" if message.id else message.string
        else:
            message.string = tuple(f"{OPEN}{one}{CLOSE}" for one in message.id)
    return as_text(catalogue)


def forget() -> None:
    """Load catalogues again when they are used next."""
    catalogues.load_catalogue.cache_clear()
    get_language.cache_clear()


def outside(text: str) -> str:
    """What a text has outside of its brackets."""
    while (shorter := _BRACKETED.sub(" ", text)) != text:
        text = shorter
    return text


class _Shown(HTMLParser):
    """The texts of a page that a reader sees or hears, without data: code, and what says that it is English."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        is_data = tag in ("script", "style", "code") or (tag != "html" and "lang" in attributes)
        if self._skipped or (is_data and tag not in ("input", "meta", "link")):
            if tag not in ("input", "meta", "link", "br", "img"):
                self._skipped.append(tag)
        else:
            self.texts += [attributes[name] for name in _SPOKEN if name in attributes]

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            while self._skipped and self._skipped.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.texts.append(data)


def untranslated(page: str, data: re.Pattern[str]) -> list[str]:
    """The texts of a page with letters that are neither between brackets nor data."""
    shown = _Shown()
    shown.feed(page)
    # A text may go on in the next element, as one with a link in it does.
    texts = outside("\n".join(shown.texts)).split("\n")
    return [text.strip() for text in texts if re.search(r"[^\W\d_]", data.sub("", text))]
