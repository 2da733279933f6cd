"""What OpenWeatherMap's products have in common: amounts, units and refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from ...errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ...model.states import KeyState
from ...model.values import Payload
from ..base import UNREADABLE, Amount, error_code, one_line, quoted, unreadable

NAME: Final = "openweathermap"

#: "repeat your request in 10 minutes": https://openweathermap.org/appid
BLOCKED_FOR: Final = timedelta(minutes=10)


class Condition(msgspec.Struct, gc=False):
    """One state of the sky; the first of a list is the main one."""

    description: str | None = None


class _Error(msgspec.Struct, gc=False):
    cod: int | str | None = None
    message: str | None = None
    #: One Call names what is wrong in the query.
    parameters: list[str] | None = None


_error = msgspec.json.Decoder(_Error)


def precipitation(rain: Amount | None, snow: Amount | None) -> tuple[float | None, int | None]:
    """Rain and snow (water equivalent) together [mm] and their period [s]; None when neither is given.

    Hourly and three-hourly amounts overlap and are never added: the hourly ones are taken where there are any.
    """
    given = [amount for amount in (rain, snow) if amount is not None]
    hourly = [amount.one_hour for amount in given if amount.one_hour is not None]
    if hourly:
        return sum(hourly), 3600
    longer = [amount.three_hours for amount in given if amount.three_hours is not None]
    return (sum(longer), 10800) if longer else (None, None)


def celsius(value: float, units: str) -> float:
    """A temperature [°C] of one in ``units``: ``standard`` (K), ``metric`` or ``imperial`` (°F)."""
    if units == "metric":
        return value
    return round((value - 32) / 1.8 if units == "imperial" else value - 273.15, 4)


def metres_per_second(value: float | None, units: str) -> float | None:
    """A speed [m/s] of one in ``units``: only ``imperial`` has another, mph."""
    return round(value * 0.44704, 4) if value is not None and units == "imperial" else value


def words(conditions: list[Condition] | None) -> str | None:
    """The main condition in the provider's words."""
    return one_line(conditions[0].description) if conditions else None


def misfit(payload: Payload, cause: Exception, product: str = "") -> Exception:
    """A 200 that is no weather: an error that came with the wrong status, or a body that cannot be read."""
    try:
        cod = error_code(_error.decode(payload.body).cod) or 0
    except UNREADABLE:
        cod = 0
    return refusal(payload, cod, product) if cod >= 400 else unreadable(NAME, payload, cause)


def refusal(payload: Payload, code: int, product: str = "") -> FetchError:
    """The error for a refusal with that number; it names the ``product`` that was asked for, where there are several."""
    try:
        error = _error.decode(payload.body)
        said = quoted(payload, error.message, ", ".join(error.parameters or ()))
    except UNREADABLE:
        said = ""
    reason = f"{code}: {said}" if said else f"HTTP {payload.status} without a message"
    reason = f"{product}: {reason}" if product else reason
    if code == 429:
        return QuotaExceededError(NAME, reason, retry_at=payload.retry_at(BLOCKED_FOR), status=payload.status)
    if code == 401:
        # "… requires a separate subscription": the key may be good for other products.
        key_state = KeyState.PLAN_MISSING if product and "subscription" in said.lower() else KeyState.INVALID
        return AccountError(NAME, reason, key_state=key_state, status=payload.status)
    if 500 <= code < 600 or code == 408:
        return RetryableFetchError(NAME, reason, status=payload.status, wait=payload.wait)
    return PermanentFetchError(NAME, reason, status=payload.status)
