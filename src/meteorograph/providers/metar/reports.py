"""METAR, weather at aerodromes, from aviationweather.gov. Stop 6 of the walk: takes a payload, gives observations.

Contract: https://aviationweather.gov/data/api/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ...errors import PayloadError
from ...model.flags import Flag
from ...model.units import INCH, KNOT, STATUTE_MILE, scale
from ...model.values import Observation, Payload, Request, RequestPoint
from ..aviation import (
    describe_weather,
    find_unknown_sky,
    is_automatic,
    is_clear_below,
    is_trace,
    parse_cloud_cover,
    relative_humidity,
)
from ..base import UNREADABLE, from_iso, from_unix, has_values, one_line, place_at, unreadable
from ..http_errors import error_for_status
from ..lenient import LenientDecoder, Unreadable, flag_unreadable, flags_of_unreadable, is_nan, read_number, unreadable_below
from ..weather_codes import code_of_groups, code_of_sky

NAME: Final = "metar"

_VISIBILITY: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)(\+?)")


class _Layer(msgspec.Struct, gc=False):
    cover: str | None = None


class Report(msgspec.Struct, gc=False):
    """A report of a station; members that it does not report are absent."""

    icaoId: str
    obsTime: float | str | None = None
    reportTime: str | None = None
    receiptTime: str | None = None
    temp: float | None = None
    dewp: float | None = None
    wdir: float | str | None = None
    wspd: float | None = None
    wgst: float | None = None
    visib: float | str | None = None
    altim: float | None = None
    slp: float | None = None
    precip: float | None = None
    wxString: str | None = None
    metarType: str | None = None
    rawOb: str | None = None
    cover: str | None = None
    clouds: list[_Layer | None] | None = None
    lat: float | None = None
    lon: float | None = None
    name: str | None = None

    @property
    def measured_at(self) -> datetime | None:
        """The time of the observation."""
        if not isinstance(self.obsTime, str):
            return from_unix(self.obsTime)
        seconds = read_number(self.obsTime)
        return from_unix(seconds) if seconds is not None else _utc(self.obsTime)  # until 2025 it was the text of a time

    @property
    def observed_at(self) -> datetime | None:
        """The time of the observation; from the coded report, which has no month and year, if only this can be read."""
        return self.measured_at or self._coded_time

    @property
    def _coded_time(self) -> datetime | None:
        match, near = _CODED_TIME.search(self.rawOb or ""), _utc(self.reportTime or "") or _utc(self.receiptTime or "")
        if match is None or near is None:
            return None
        day, hour, minute = map(int, match.groups())
        dates = (near + timedelta(days=days) for days in (0, -1, 1))
        date = next((date for date in dates if date.day == day), None)
        return date.replace(hour=hour, minute=minute, second=0, microsecond=0) if date and hour < 24 and minute < 60 else None

    @property
    def recency(self) -> tuple[datetime, str]:
        """Greatest for the latest report. A correction has the same observation time as its report, but a later receipt time."""
        return self.observed_at or _NO_TIME, self.receiptTime or ""


def _utc(text: str) -> datetime | None:
    """The instant of a text in UTC, with or without ``Z`` at its end."""
    return from_iso(text if text.endswith("Z") else f"{text}Z")


#: Day, hour and minute of a coded report.
_CODED_TIME: Final = re.compile(r"\b([0-9]{2})([0-9]{2})([0-9]{2})Z\b")

_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)

_reports: LenientDecoder[list[Report | None]] = LenientDecoder(list[Report | None])

#: Member of a report → the quantity that it gives.
_FIELDS: Final = {
    "obsTime": "observed_at",
    "temp": "temperature",
    "dewp": "dew_point",
    "wdir": "wind_direction",
    "wspd": "wind_speed",
    "wgst": "wind_gust",
    "visib": "visibility",
    "altim": "altimeter_setting",
    "slp": "pressure",
    "precip": "precipitation",
    "wxString": "weather_code",
}

#: What the service gives for a trace [inch].
_TRACE: Final = 0.005


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the latest reports of the points' stations, in one call."""
    return make_request(base_url, {"ids": ",".join(point.station or "" for point in points)})


def make_request(base_url: str, params: dict[str, str]) -> Request:
    return Request(provider=NAME, url=f"{base_url.rstrip('/')}/api/data/metar", params={**params, "format": "json"})


def parse(payload: Payload) -> list[Observation | PayloadError | None]:
    """Parse an answer to ``request``: the latest report of each station, None for a station without a report or value.

    Raises:
        QuotaExceededError: 429.
        RetryableFetchError: 408 and 5xx.
        AccountError: 403, the caller is blocked.
        PermanentFetchError: Any other refusal.
        PayloadError: Not a list of reports, or a list without a valid report.
    """
    by_station: dict[str, list[tuple[Report, Unreadable]]] = {}
    for report, odd in read_reports(payload):
        by_station.setdefault(report.icaoId, []).append((report, odd))
    ids = payload.request.params["ids"].split(",")
    return [_observation(payload, by_station[name]) if name in by_station else None for name in ids]


def read_reports(payload: Payload) -> list[tuple[Report, Unreadable]]:
    """The reports of an answer, each with its odd members; one that cannot be read at all is passed over.

    Raises:
        FetchError, PayloadError: As ``parse``.
    """
    if payload.status == 204:  # no data
        return []
    if payload.status != 200:
        raise error_for_status(NAME, payload)
    try:
        rows, odd = _reports.decode(payload)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) from None
    reports = [(row, unreadable_below(odd, str(index))) for index, row in enumerate(rows) if row is not None]
    if rows and not reports:
        raise unreadable(NAME, payload, ValueError("; ".join(odd.values()) or "null"))
    return reports


def _observation(payload: Payload, reports: Sequence[tuple[Report, Unreadable]]) -> Observation | PayloadError | None:
    """The observation of the latest report of a station; None if the report has no value."""
    report, odd = max(reports, key=lambda one: one[0].recency) if len(reports) > 1 else reports[0]
    at = report.observed_at
    if at is None:
        # Without its time, a report may be of any day.
        return unreadable(NAME, payload, ValueError(f"no time, obsTime is {report.obsTime!r:.40}"))
    flags = flags_of_unreadable(odd, _FIELDS) if odd else {}
    if isinstance(report.obsTime, str) and report.measured_at is None:
        flags["observed_at"] = [flag_unreadable(payload, report.obsTime)]
    cloud_cover, sky_words = _read_sky(payload, report, odd, flags)
    amount, period = _read_precipitation(report, reports, flags)
    observation = Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=at,
        temperature=report.temp,
        dew_point=report.dewp,
        humidity=relative_humidity(report.temp, report.dewp),
        pressure=report.slp,
        altimeter_setting=report.altim,
        wind_speed=scale(report.wspd, KNOT),
        wind_direction=_read_direction(payload, report.wdir, flags),
        wind_gust=scale(report.wgst, KNOT),
        cloud_cover=cloud_cover,
        visibility=_read_visibility(payload, report.visib, flags),
        precipitation=amount,
        precipitation_period=period,
        condition=one_line(describe_weather(report.wxString)) or sky_words,
        weather_code=_read_weather_code(report.wxString, cloud_cover),
        flags=flags,
        place=place_at(report.lat, report.lon, report.name or report.icaoId),
    )
    if has_values(observation):
        return observation
    if any(word.startswith(Flag.UNREADABLE) for words in flags.values() for word in words):
        return unreadable(NAME, payload, ValueError("no value that can be read"))
    return None


def _read_sky(payload: Payload, report: Report, odd: Unreadable, flags: dict[str, list[str]]) -> tuple[float | None, str | None]:
    """Cloud cover [%] and its words."""
    codes = [report.cover] if report.cover else [layer.cover for layer in report.clouds or () if layer]
    if odd and not report.cover:
        members = {"clouds": "cloud_cover"} if codes else {"clouds": "cloud_cover", "cover": "cloud_cover"}
        flags |= flags_of_unreadable(odd, members)
    if (unknown := find_unknown_sky(codes)) is not None:
        flags["cloud_cover"] = [flag_unreadable(payload, unknown)]
    if "cloud_cover" in flags:
        return None, None
    # Observers write SKC; so without the coded report, CLR is taken for automatic.
    if is_clear_below(codes, automatic=is_automatic(report.rawOb) is not False):
        flags["cloud_cover"] = [Flag.CLEAR_BELOW]
    return parse_cloud_cover(codes)


def _read_precipitation(
    report: Report, reports: Sequence[tuple[Report, Unreadable]], flags: dict[str, list[str]]
) -> tuple[float | None, int | None]:
    """The amount [mm] since the last routine report, and this time [s].

    A routine report is made every hour. The time of a special report is only known if the answer has the last routine report too.
    """
    if report.precip is None:
        return None, None
    is_trace_ = report.precip == _TRACE or (report.precip == 0 and is_trace(report.rawOb))
    if is_trace_:
        flags["precipitation"] = [Flag.TRACE]
    amount = 0.0 if is_trace_ else scale(report.precip, INCH)
    if report.metarType != "SPECI":
        return amount, 3600
    routine = [at for other, _ in reports if other.metarType != "SPECI" and (at := other.observed_at)]
    at = report.observed_at
    seconds = int((at - max(routine)).total_seconds()) if at is not None and routine else 0
    return amount, seconds if 0 < seconds <= 3600 else None


def _read_weather_code(codes: str | None, cloud_cover: float | None) -> int | None:
    """The code of the weather, else of the sky; None if the weather was not observed (``//``)."""
    groups = (codes or "").split()
    if any(not group.strip("/") for group in groups):
        return None
    return code_of_groups(groups) or code_of_sky(cloud_cover)


def _read_direction(payload: Payload, direction: float | str | None, flags: dict[str, list[str]]) -> float | None:
    """The direction [degree]; None for ``VRB``, a variable one."""
    if not isinstance(direction, str):
        return direction
    number = read_number(direction)
    if number is None and direction.strip() != "VRB" and not _is_missing(direction):
        flags["wind_direction"] = [flag_unreadable(payload, direction)]
    return number


def _is_missing(text: str) -> bool:
    """Whether a text stands for a value that is not reported: slashes, ``M``, or a word for no number."""
    return (text.strip() != "" and not text.strip(" /M")) or is_nan(text)


def _read_visibility(payload: Payload, miles: float | str | None, flags: dict[str, list[str]]) -> float | None:
    """Visibility [m] from statute miles; with a flag if it may be greater, as in ``10+`` and ``6+``."""
    if not isinstance(miles, str):
        return scale(miles, STATUTE_MILE)
    match = _VISIBILITY.fullmatch(miles.strip())
    if match is None:
        if not _is_missing(miles):
            flags["visibility"] = [flag_unreadable(payload, miles)]
        return None
    if match[2]:
        flags["visibility"] = [Flag.AT_LEAST]
    return scale(float(match[1]), STATUTE_MILE)
