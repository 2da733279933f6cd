"""Languages: texts by gettext catalogues, numbers and dates by locale. Every use names its language; nothing is global.

English is the language of the source: a text is its own key in the catalogues of ``locale/``.
"""

from __future__ import annotations

from .dates import DateStyle
from .language import CODES, ENGLISH, Language, get_language, preferred_code
from .phrases import Phrase, joined, phrase_in, phrase_n

__all__ = [
    "CODES",
    "ENGLISH",
    "DateStyle",
    "Language",
    "Phrase",
    "get_language",
    "joined",
    "phrase_in",
    "phrase_n",
    "preferred_code",
]
