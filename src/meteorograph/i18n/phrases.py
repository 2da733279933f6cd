"""Texts that are English by themselves and can be said in another language later. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any


class Phrase(str):
    """A text with the values of its placeholders, such as ``Phrase("{name} refuses the key", name="nws")``.

    As a string it is the English text: logs, answers of the API and comparisons use it as it is. ``Language.say`` says it in
    another language. A value may be a phrase itself. ``msgspec`` encodes only ``str(phrase)``.
    """

    __slots__ = ("context", "message", "number", "plural", "values")

    #: The English text with its placeholders: the key in the catalogues.
    message: str
    #: The same for counts other than 1; None if the text does not depend on a count.
    plural: str | None
    number: float
    #: Tells apart texts that are equal in English only; None for most.
    context: str | None
    values: dict[str, Any]

    def __new__(cls, message: str, /, **values: Any) -> Phrase:
        """A text without a count."""
        return _make(cls, message, None, 0, None, values)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (type(self), self.message, self.plural, self.number, self.context, self.values)


def phrase_in(context: str, message: str, /, **values: Any) -> Phrase:
    """A short text; the context tells apart words that are equal in English only."""
    return _make(Phrase, message, None, 0, context, values)


def phrase_n(message: str, plural: str, count: float, /, **values: Any) -> Phrase:
    """A text that depends on a count, which is the value of its placeholder ``{count}``."""
    return _make(Phrase, message, plural, count, None, {"count": count, **values})


def joined(phrases: Sequence[Phrase], separator: str = " ") -> Phrase:
    """Phrases one after the other."""
    named = {f"part{number}": phrase for number, phrase in enumerate(phrases)}
    return _make(Phrase, separator.join(f"{{{name}}}" for name in named), None, 0, None, named)


def _make(
    kind: type[Phrase], message: str, plural: str | None, count: float, context: str | None, values: dict[str, Any]
) -> Phrase:
    pattern = message if plural is None or count == 1 else plural
    said = pattern.format(**{name: _english(value) for name, value in values.items()}) if values else pattern
    phrase = str.__new__(kind, said)
    phrase.message, phrase.plural, phrase.number, phrase.context, phrase.values = message, plural, count, context, values
    return phrase


def _english(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
