"""Names of locations in one form, so that names that look the same are the same. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Characters without a width that copied texts contain: zero-width space, word joiner, byte order mark, soft hyphen, and marks
#: that change the direction of the text. Joiners between letters (U+200C, U+200D) are part of words and stay.
_INVISIBLE: Final = dict.fromkeys(
    (0x00AD, 0x061C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF)
)


def normalise_name(name: str) -> str:
    """The name in Unicode's normal form C, without invisible characters."""
    return unicodedata.normalize("NFC", name.translate(_INVISIBLE))


#: Unicode categories that a name must not contain: control characters, lone surrogates, line and paragraph separators.
_BANNED_CATEGORIES: Final = ("Cc", "Cs", "Zl", "Zp")


def is_plain(text: str) -> bool:
    """Whether a text has no control character and no line break, and can be encoded."""
    return text.isprintable() or not any(unicodedata.category(character) in _BANNED_CATEGORIES for character in text)
