"""Common parts of OpenWeatherMap's products: amounts, units and refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from ...errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ...model.flags import Flag
from ...model.states import KeyState
from ...model.units import MILE_PER_HOUR, fahrenheit_to_celsius, kelvin_to_celsius, scale
from ...model.values import Payload
from ..base import UNREADABLE, Amount, error_code, one_line, quoted, unreadable

NAME: Final = "openweathermap"

#: Wait after a 429 without ``Retry-After``. "repeat your request in 10 minutes": https://openweathermap.org/appid
BLOCKED_FOR: Final = timedelta(minutes=10)


#: The largest visibility of an answer [m]: "The maximum value of the visibility is 10 km", https://openweathermap.org/current
VISIBILITY_CAP: Final = 10_000.0


class Condition(msgspec.Struct, gc=False):
    """A weather condition; the first condition of a list is the main one."""

    description: str | None = None


class _Error(msgspec.Struct, gc=False):
    cod: int | str | None = None
    message: str | None = None
    #: One Call names the wrong query parameters.
    parameters: list[str] | None = None


_error = msgspec.json.Decoder(_Error)


def total_precipitation(rain: Amount | None, snow: Amount | None) -> tuple[float | None, int | None]:
    """The sum of rain and snow (water equivalent) [mm] and its period [s]; None if the answer has neither.

    Hourly and three-hourly amounts overlap and are never added: if there are hourly amounts, only these are used.
    """
    amounts = [amount for amount in (rain, snow) if amount is not None]
    hourly = [amount.one_hour for amount in amounts if amount.one_hour is not None]
    if hourly:
        return sum(hourly), 3600
    three_hourly = [amount.three_hours for amount in amounts if amount.three_hours is not None]
    return (sum(three_hourly), 10800) if three_hourly else (None, None)


def make_flags(amount: float | None, visibility: float | None) -> dict[str, list[str]]:
    """The flags of an answer with this amount of precipitation [mm] and this visibility [m]."""
    flags: dict[str, list[str]] = {}
    if amount is None:
        flags["precipitation"] = [Flag.IMPLIED_ZERO]
    if visibility == VISIBILITY_CAP:
        flags["visibility"] = [Flag.AT_LEAST]
    return flags


def to_celsius(value: float, units: str) -> float:
    """A temperature [°C] from one in ``units``: ``standard`` (K), ``metric`` or ``imperial`` (°F)."""
    if units == "metric":
        return value
    return fahrenheit_to_celsius(value) if units == "imperial" else kelvin_to_celsius(value)


def to_metres_per_second(value: float | None, units: str) -> float | None:
    """A speed [m/s] from one in ``units``: miles per hour for ``imperial``, m/s for the others."""
    return scale(value, MILE_PER_HOUR) if units == "imperial" else value


def describe(conditions: list[Condition] | None) -> str | None:
    """The main condition in the provider's words."""
    return one_line(conditions[0].description) if conditions else None


def unexpected_body(payload: Payload, cause: Exception, product: str = "") -> Exception:
    """The error for a 200 without weather: an error with the wrong status, or a body that cannot be parsed."""
    try:
        cod = error_code(_error.decode(payload.body).cod) or 0
    except UNREADABLE:
        cod = 0
    return refusal(payload, cod, product) if cod >= 400 else unreadable(NAME, payload, cause)


def refusal(payload: Payload, code: int, product: str = "") -> FetchError:
    """The error for a refusal with this error number; its text names the ``product``."""
    try:
        error = _error.decode(payload.body)
        message = quoted(payload, error.message, ", ".join(error.parameters or ()))
    except UNREADABLE:
        message = ""
    reason = f"{code}: {message}" if message else f"HTTP {payload.status} without a message"
    reason = f"{product}: {reason}" if product else reason
    if code == 429:
        return QuotaExceededError(NAME, reason, retry_at=payload.retry_at(BLOCKED_FOR), status=payload.status)
    if code == 401:
        # "… requires a separate subscription": the key may be valid for other products.
        key_state = KeyState.PLAN_MISSING if product and "subscription" in message.lower() else KeyState.INVALID
        return AccountError(NAME, reason, key_state=key_state, status=payload.status)
    if 500 <= code < 600 or code == 408:
        return RetryableFetchError(NAME, reason, status=payload.status, wait=payload.wait)
    return PermanentFetchError(NAME, reason, status=payload.status)
