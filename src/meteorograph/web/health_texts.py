"""The longer texts of ``/health``. Pure."""

from __future__ import annotations

from ..i18n import Phrase, phrase_n
from ..ledger.gaps import MISSED_COUNTED
from ..model.flags import Flag


def stands_still(flag: str, provider: str, places: Phrase) -> Phrase:
    """That the newest values of a provider are too old, too equal, or of the future."""
    values = {"provider": provider, "places": places}
    if flag == Flag.OLD:
        return Phrase("{provider} stands still: its observations are too old at {places}", **values)
    if flag == Flag.STALE:
        return Phrase("{provider} stands still: its values no longer change at {places}", **values)
    return Phrase("{provider} has observations of the future at {places}", **values)


def missed_text(count: int, reasons: Phrase) -> Phrase:
    """That slots of the last day were missed."""
    if count >= MISSED_COUNTED:
        return phrase_n(
            "{count:,} or more slot of the last 24 hours was missed: {reasons}",
            "{count:,} or more slots of the last 24 hours were missed: {reasons}",
            count,
            reasons=reasons,
        )
    return phrase_n(
        "{count:,} slot of the last 24 hours was missed: {reasons}",
        "{count:,} slots of the last 24 hours were missed: {reasons}",
        count,
        reasons=reasons,
    )
