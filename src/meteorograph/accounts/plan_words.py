"""Parts of the sentences about the plan of calls. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..i18n import Phrase, joined, phrase_n

_PER: Final = {
    "minute": Phrase("{calls} a minute"),
    "hour": Phrase("{calls} an hour"),
    "day": Phrase("{calls} a day"),
    "month": Phrase("{calls} a month"),
}


def either(choices: Sequence[Phrase]) -> Phrase:
    """One or two choices."""
    if len(choices) < 2:
        return joined(choices)
    return Phrase("{first}, or {second}", first=choices[0], second=choices[1])


def shortage(window: str, calls: int, usable: int) -> Phrase:
    """Calls of a window that are needed, and those that may be made."""
    rate = Phrase(_PER[window].message, calls=phrase_n("{count:,} call", "{count:,} calls", calls))
    return phrase_n(
        "{rate} is needed, {usable:,} may be made", "{rate} are needed, {usable:,} may be made", calls, rate=rate, usable=usable
    )
