"""The weather in words: those of the provider, in other languages than English those of the icon. Pure."""

from __future__ import annotations

from ...i18n import Language
from .icons import WORDS


def weather_words(condition: str | None, icon: str | None, language: Language) -> str | None:
    """The weather of a row.

    Args:
        condition: What the provider says, in English.
        icon: Name of the row's icon.
        language: The language of the page.
    """
    of_icon = language.say(WORDS[icon]) if icon else None
    if language.is_english:
        return condition or of_icon
    return of_icon or condition
