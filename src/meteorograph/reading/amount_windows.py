"""The windows in which the amounts of rows fell. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from ..model.flags import is_suspect
from ..model.precipitation_totals import Window
from ..model.valid_time import MAX_PERIOD, valid_time
from ..model.values import OtherValues

_DECODER: Final = msgspec.json.Decoder(dict[str, OtherValues])


class ProviderWindow(NamedTuple):
    """A window and the provider of its amount."""

    window: Window
    provider: str


def read_windows(
    quantity: str,
    amounts: Sequence[float | None],
    periods: Sequence[float | None],
    due: Sequence[float],
    instants: Sequence[float],
    providers: Sequence[str],
    others: Sequence[str | None],
) -> list[ProviderWindow]:
    """The windows of an amount in the rows of a location. Each argument after the name has one element for each row.

    A row whose amount has no period has the window of another provider's amount, if it stores one. A row without an amount has no
    window: the providers that the user has chosen for this quantity did not give it.

    Args:
        quantity: Name of the amount.
        amounts: [mm], None where it is not given or left out.
        periods: Lengths of the periods [s].
        due: Slots [Unix s].
        instants: Valid times [Unix s].
        providers: Providers of the amounts.
        others: JSON texts of the values of other providers.
    """
    windows = []
    for amount, seconds, slot, at, provider, text in zip(amounts, periods, due, instants, providers, others, strict=True):
        if amount is None:
            continue
        if seconds and seconds <= MAX_PERIOD:
            windows.append(ProviderWindow(Window(at, seconds, amount), provider))
        elif text is not None and (other := _other_window(quantity, text, slot)) is not None:
            windows.append(other)
        else:
            windows.append(ProviderWindow(Window(at, None, amount), provider))
    return windows


@lru_cache(maxsize=1024)
def _other_window(quantity: str, text: str, slot: float) -> ProviderWindow | None:
    """The window of the first provider among the other values of a row that gives the amount with its period."""
    for provider, other in _DECODER.decode(text).items():
        amount, seconds = other.values.get(quantity), other.precipitation_period
        if amount is None or not seconds or seconds > MAX_PERIOD or is_suspect(other.flags.get(quantity, ())):
            continue
        observed_at = None if other.observed_at is None else other.observed_at.timestamp()
        return ProviderWindow(Window(valid_time(slot, observed_at), seconds, amount), provider)
    return None
