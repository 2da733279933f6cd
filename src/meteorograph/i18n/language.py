"""A language: says phrases, numbers and dates. Loaded once for each process.

Babel is imported when a language other than English is used first, or a date is written: commands start without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from .catalogues import load_catalogue
from .dates import DateStyle, write_date
from .phrases import Phrase

if TYPE_CHECKING:
    from babel import Locale

#: The languages to choose from, with their own names.
CODES: Final = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "el": "Ελληνικά"}


class Language:
    """Says texts in one language, and writes numbers and dates as it is usual there.

    Args:
        code: Code of the language, such as ``de``.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.is_english = code == "en"
        translations, self.scripts = load_catalogue(code)
        self._gettext, self._ngettext = translations.gettext, translations.ngettext
        self._pgettext = translations.pgettext
        self._markups: dict[str, Markup] = {}
        self._separators: dict[int, str] = {}
        if not self.is_english:
            symbols = self.locale.number_symbols["latn"]
            self._separators = {ord(","): symbols["group"], ord("."): symbols["decimal"]}
            self._percent = "\xa0%" if "\xa0" in self.locale.percent_formats[None].pattern else "%"

    @cached_property
    def locale(self) -> Locale:
        """The data of the language."""
        from babel import Locale

        return Locale.parse(self.code)

    # Texts

    def say(self, text: str, /, **values: Any) -> str:
        """A text in this language: a phrase, or an English text with the values of its placeholders."""
        pattern, values = self._pattern_of(text, values)
        return pattern.format(**{name: self._said(value) for name, value in values.items()}) if values else pattern

    def say_n(self, text: str, plural: str, count: float, /, **values: Any) -> str:
        """A text that depends on a count."""
        said = {name: self._said(value) for name, value in {"count": count, **values}.items()}
        return self._ngettext(text, plural, _whole(count)).format(**said)

    def markup(self, text: str, /, **values: Any) -> Markup:
        """A text as HTML. Our own texts may have tags; what stands for a placeholder is escaped, unless it is HTML already.

        Whole numbers have the separators of the language.
        """
        if not values and type(text) is str:
            said = self._markups.get(text)
            if said is None:
                said = self._markups[text] = Markup(self._gettext(text))  # noqa: S704  # a text of our own
            return said
        pattern, values = self._pattern_of(text, values)
        return Markup(pattern.format(**self._escaped(values)))  # noqa: S704  # a text of our own, with escaped values

    def markup_n(self, text: str, plural: str, count: float, /, **values: Any) -> Markup:
        """A text that depends on a count, as HTML."""
        pattern = self._ngettext(text, plural, _whole(count))
        return Markup(pattern.format(**self._escaped({"count": count, **values})))  # noqa: S704  # as above

    def markup_in(self, context: str, text: str, /) -> Markup:
        """A short text as HTML. The context tells apart words that are equal in English only."""
        return Markup(self._pgettext(context, text))  # noqa: S704  # a text of our own

    def _pattern_of(self, text: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if not isinstance(text, Phrase):
            return self._gettext(text), values
        if text.plural is not None:
            return self._ngettext(text.message, text.plural, _whole(text.number)), text.values
        if text.context is not None:
            return self._pgettext(text.context, text.message), text.values
        return self._gettext(text.message), text.values

    def _escaped(self, values: dict[str, Any]) -> dict[str, Any]:
        """Values as this language writes them, for HTML. Numbers need no escaping."""
        return {name: self._escape(value) for name, value in values.items()}

    def _escape(self, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return _Number(value, self, ",")
        said = self._said(value)
        return said if isinstance(said, int | float | _Number) else escape(said)

    def _said(self, value: Any) -> Any:
        """A value of a placeholder as this language writes it."""
        if isinstance(value, str):
            return self.say(value) if isinstance(value, Phrase) else value
        if isinstance(value, int | float):
            return value if self.is_english or isinstance(value, bool) else _Number(value, self)
        return value.isoformat() if isinstance(value, datetime) else value

    # Numbers

    def numeral(self, english: str) -> str:
        """A number that is written as in English, with the separators of this language."""
        return english if self.is_english else english.translate(self._separators)

    def with_percent(self, number: str) -> str:
        """A number with the sign for percent."""
        return f"{number} %" if self.is_english else f"{self.numeral(number)}{self._percent}"

    # Dates

    def date(self, day: date, style: DateStyle = DateStyle.NUMERIC) -> str:
        """A date, or the date of a time in its own zone."""
        if self.is_english and style == DateStyle.NUMERIC:
            return day.isoformat()[:10]
        return write_date(day.date() if isinstance(day, datetime) else day, style, self.locale)


class _Number:
    """A number that a placeholder formats: ``{count:,}`` has the separators of the language. ``spec`` is for ``{count}``."""

    def __init__(self, value: float, language: Language, spec: str = "") -> None:
        self._value, self._language, self._spec = value, language, spec

    def __format__(self, spec: str) -> str:
        return self._language.numeral(format(self._value, spec or self._spec))

    def __str__(self) -> str:
        return format(self, "")


def _whole(count: float) -> int:
    """The count that chooses the plural form: of 1.5 that of many."""
    return int(count) if count == int(count) else 2


@cache
def get_language(code: str) -> Language:
    """A language of ``CODES``; English for any other code."""
    return Language(code if code in CODES else "en")


def preferred_code(wanted: Sequence[str]) -> str:
    """The first language that we have of those that a reader wants, best first; English if there is none."""
    bases = (one.lower().partition("-")[0] for one in wanted)
    return next((base for base in bases if base in CODES), "en")


ENGLISH: Final = get_language("en")
