"""Every recorded body of the providers, where the folder with them is there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from meteorograph.errors import AccountError, MeteorographError, PayloadError, PermanentFetchError, QuotaExceededError
from meteorograph.model.values import Coordinates, Observation, Payload, Request, RequestPoint
from meteorograph.providers.base import Page, Provider
from meteorograph.providers.registry import PROVIDERS
from meteorograph.testing import (
    KEY,
    NOON,
    Answer,
    assert_answer,
    assert_gives,
    assert_sound_error,
    payload,
    read,
    read_all,
    read_page,
)
from support import ROOT

FOLDER = ROOT / os.environ.get("METEOROGRAPH_RECORDED_DIR", "../shared/recorded")
MANIFEST = FOLDER / "manifest.json"

pytestmark = pytest.mark.skipif(not MANIFEST.is_file(), reason="the folder of recorded bodies is not there")

Values = dict[str, object]

#: Bodies of current weather and some of what each must give; every other one must raise what ``ERRORS`` says.
WEATHER: dict[str, Values] = {
    "open-meteo/forecast_current_berlin_2024.json": {
        "temperature": 2.3, "wind_speed": 2.9722, "humidity": None, "observed_at": datetime(2024, 11, 23, 18, 15, tzinfo=UTC),
    },
    "open-meteo/forecast_current_daily_berlin_2026.json": {
        "temperature": 10.2, "humidity": 75.0, "condition": "partly cloudy", "wind_speed": None,
    },
    "open-meteo/forecast_current_daily_london_tzauto_2026.json": {
        "temperature": 21.6, "wind_speed": 4.6111, "observed_at": datetime(2026, 7, 2, 9, 30, tzinfo=UTC),
    },
    "openweathermap/current_cairns_rain3h_2015.json": {
        "temperature": 20.1, "humidity": 83.0, "pressure": 1019.0, "wind_speed": 5.1, "wind_direction": 150.0,
        "cloud_cover": 75.0, "visibility": None, "precipitation": 3.0, "precipitation_period": 10800, "flags": {},
        "condition": "broken clouds",
    },
    "openweathermap/current_karaganda_shower_snow.json": {
        "temperature": -7.0, "precipitation": 0.62, "precipitation_period": 3600, "visibility": 2800.0, "wind_speed": 9.0,
    },
    "openweathermap/current_kharkiv_fog_snow_uk_metric.json": {
        "temperature": -0.01, "humidity": 100.0, "precipitation": 1.15, "condition": "туман", "visibility": 500.0,
    },
    "openweathermap/current_london_by_id.json": {"temperature": 8.72, "precipitation": 1.27, "wind_direction": 90.0},
    "openweathermap/current_london_coords.json": {"temperature": 8.93, "precipitation": 1.52, "condition": "moderate rain"},
    "openweathermap/current_london_rain1h.json": {"temperature": 9.42, "precipitation": 0.51, "visibility": 10000.0},
    "openweathermap/current_moscow_fr_metric_rain_no_rain_object.json": {
        "temperature": 13.67, "precipitation": 0.0, "condition": "petites averses",
        "flags": {"precipitation": ["implied_zero"], "visibility": ["at_least"]},
    },
    "openweathermap/current_moscow_ru_imperial.json": {"temperature": 12.0, "wind_speed": 2.9996, "pressure": 1014.0},
    "openweathermap/current_moscow_ru_metric.json": {"temperature": 12.0, "wind_speed": 3.0, "condition": "ясно"},
    "openweathermap/current_newyork_name_state.json": {"temperature": 6.71, "wind_speed": 2.1, "wind_direction": None},
    "openweathermap/current_newyork_zip.json": {"temperature": 6.54, "wind_direction": None, "visibility": 16093.0},
    "openweathermap/current_tromso_polar_night_2018.json": {
        "temperature": -2.838, "pressure": 1026.97, "visibility": None, "wind_speed": 1.11, "cloud_cover": 92.0,
    },
    "openweathermap/current_yakutsk_clear_2022.json": {"temperature": 1.93, "cloud_cover": 0.0, "wind_gust": None},
    "openweathermap/docs_current_london_drizzle_no_rain.json": {
        "temperature": 7.17, "precipitation": 0.0, "flags": {"precipitation": ["implied_zero"], "visibility": ["at_least"]},
    },
    "openweathermap/docs_current_newtonhill_metric.json": {"temperature": 8.48, "wind_gust": 13.48, "pressure": 1016.0},
    "openweathermap/docs_current_turin_rain1h.json": {
        "temperature": 11.05, "precipitation": 2.73, "wind_speed": 4.09, "wind_gust": 3.47, "pressure": 1021.0,
    },
    "weatherstack/current_austin_f_2020.json": {
        "temperature": 32.2222, "wind_speed": 3.1293, "visibility": 16093.44, "precipitation": 0.0, "condition": "partly cloudy",
    },
    "weatherstack/current_fountainhills_zip_usa_2026.json": {"temperature": 31.0, "wind_speed": 1.3889, "condition": "clear"},
    "weatherstack/current_guttenberg_latlon_precip02.json": {"precipitation": 0.2, "visibility": 16000.0},
    "weatherstack/current_london_2022.json": {
        "temperature": 4.0, "precipitation": 0.0, "condition": "rain", "flags": {"visibility": ["at_least"]},
    },
    "weatherstack/current_moscow_2022.json": {"temperature": 0.0, "wind_speed": 4.1667, "cloud_cover": 100.0},
    "weatherstack/current_new_york_2022.json": {"temperature": 11.0, "wind_speed": 0.0, "wind_direction": None},
    "weatherstack/current_newyork_precip07_astro_airquality_2025.json": {"precipitation": 0.7, "condition": "light rain, mist"},
    "weatherstack/docs_current_newyork.json": {"temperature": 13.0, "wind_direction": None, "precipitation": 0.0},
    "weatherstack/docs_historical_newyork_one_hour.json": {"temperature": 15.0, "visibility": 16000.0},
}  # fmt: skip

#: Bodies of the providers by station and of the forecast: the values for the stations, in the order of their names.
BY_STATION: dict[str, dict[str, Values | None]] = {
    "metar/engm_2026.json": {"ENGM": {
        "temperature": 3.0, "dew_point": 2.0, "humidity": 93.1455, "pressure": None, "altimeter_setting": 998.0,
        "visibility": 7998.4397, "precipitation": None, "wind_speed": 4.1156, "cloud_cover": 100.0, "condition": "light rain",
        "observed_at": datetime(2026, 3, 11, 15, 20, tzinfo=UTC),
    }},
    "metar/ktys_2026.json": {"KTYS": {
        "pressure": 1004.9, "altimeter_setting": 1005.2, "visibility": 16093.44, "flags": {"visibility": ["at_least"]},
        "precipitation": 0.254, "precipitation_period": 3600, "observed_at": datetime(2026, 1, 14, 22, 53, tzinfo=UTC),
    }},
    "metar/vidp_vidd_vrb_2026.json": {
        "VIDD": {"wind_direction": None, "wind_speed": 1.0289, "cloud_cover": 43.75},
        "VIXX": None,
        "VIDP": {"temperature": 30.0, "wind_direction": 250.0, "observed_at": datetime(2026, 8, 31, 20, 30, tzinfo=UTC)},
    },
    "nws/stations_observations_latest.json": {"KFLL": {
        "temperature": 22.8, "humidity": 75.7709, "pressure": 1018.7, "altimeter_setting": 1018.6, "wind_speed": 2.1,
        "wind_gust": None, "precipitation": 0.0, "precipitation_period": 21600, "condition": "mostly cloudy",
        "flags": {"visibility": ["at_least"]},
    }},
    "nws/gridpoints_forecast_si.json": {"KFLL": None},
    "nws/points.json": {"KFLL": None},
}  # fmt: skip

#: What is forecast a quarter past twelve, from bodies with the headers of half an hour before.
FORECASTS: dict[str, Values] = {
    "metno/compact_beijing_noaltitude_2020.json": {"temperature": 28.2, "precipitation": 0.0, "condition": "partly cloudy"},
    "metno/compact_newyork_2020.json": {"temperature": 27.9, "humidity": 74.1, "wind_direction": 250.5, "cloud_cover": 95.3},
    "metno/complete_london_2020.json": {"temperature": 19.6, "pressure": 1023.0, "dew_point": None},
}

ERRORS: dict[str, type[MeteorographError]] = {
    "open-meteo/archive_twente_1953.json": PayloadError,
    "open-meteo/forecast_minimal.json": PayloadError,
    "open-meteo/multi_location_airquality_excerpt.json": PayloadError,
    "openweathermap/box_city_legacy.json": PayloadError,
    "openweathermap/docs_error_400_parameters.json": PermanentFetchError,
    "openweathermap/docs_error_429_blocked.json": QuotaExceededError,
    "openweathermap/docs_onecall3_day_summary.json": PayloadError,
    "openweathermap/docs_onecall3_timemachine_warsaw.json": PayloadError,
    "openweathermap/docs_onecall4_current.json": PayloadError,
    "openweathermap/error_400_nothing_to_geocode.json": PermanentFetchError,
    "openweathermap/error_400_onecall_out_of_range.json": PermanentFetchError,
    "openweathermap/error_400_wrong_latitude.json": PermanentFetchError,
    "openweathermap/error_400_wrong_longitude.json": PermanentFetchError,
    "openweathermap/error_401_invalid_key.json": AccountError,
    "openweathermap/error_404_legacy_text.json": PermanentFetchError,
    "openweathermap/find_empty.json": PayloadError,
    "openweathermap/find_legacy.json": PayloadError,
    "openweathermap/forecast5_first5.json": PayloadError,
    "openweathermap/group_three_cities_legacy.json": PayloadError,
    "openweathermap/history_city_2013.json": PayloadError,
    "openweathermap/onecall25_timemachine_2020.json": PayloadError,
    "openweathermap/onecall3_exclude_minutely_hourly.json": PayloadError,
    "openweathermap/onecall3_timemachine.json": PayloadError,
    "nws/stations_observations_empty.json": PayloadError,
    "nws/stations_observations_metar.json": PayloadError,
    "nws/stations_observations_missing_value.json": PayloadError,
    "nws/stations_observations_multiple.json": PayloadError,
    "nws/stations_observations_noprop.json": PayloadError,
    "weatherstack/docs_error_104.json": QuotaExceededError,
    "weatherstack/error_101.json": AccountError,
    "weatherstack/error_103.json": PermanentFetchError,
    "weatherstack/error_105_function_access_restricted.json": AccountError,
    "weatherstack/error_601.json": PermanentFetchError,
    "weatherstack/error_604_bulk_not_supported.json": PermanentFetchError,
    "weatherstack/error_606_invalid_unit.json": PermanentFetchError,
}

#: Folders that are not named as the provider is.
NAMES = {"metno": "met-norway"}
#: Bodies of past hours, which of the provider's histories they are of, and some of what each hour must give.
PAST: dict[str, tuple[int, list[Values]]] = {
    "open-meteo/archive_twente_1953.json": (
        1,
        [
            {"temperature": 5.8, "wind_speed": 6.4444, "observed_at": datetime(1953, 1, 30, 22, tzinfo=UTC)},
            {"temperature": 5.5, "precipitation": None, "precipitation_period": None},
            {"temperature": 5.1, "condition": None},
        ],
    ),
    "openweathermap/docs_onecall3_timemachine_warsaw.json": (
        1,
        [{"temperature": 5.98, "pressure": 1029.0, "observed_at": datetime(2022, 2, 26, 15, 22, 56, tzinfo=UTC)}],
    ),
    "openweathermap/onecall3_timemachine.json": (
        1,
        [{"temperature": 16.73, "wind_speed": 0.0, "wind_gust": 0.0, "precipitation": 0.0, "condition": "few clouds"}],
    ),
    "openweathermap/docs_onecall4_current.json": (0, [{"temperature": 13.27, "wind_direction": 70.0, "visibility": 10000.0}]),
}

#: Bodies that are no page of past hours, though they are of One Call or about it.
NO_PAST: dict[str, type[MeteorographError]] = {
    "openweathermap/docs_onecall3_day_summary.json": PayloadError,
    "openweathermap/onecall25_timemachine_2020.json": PayloadError,
    "openweathermap/onecall3_exclude_minutely_hourly.json": PayloadError,
    "openweathermap/docs_error_400_parameters.json": PermanentFetchError,
    "openweathermap/docs_error_429_blocked.json": QuotaExceededError,
    "openweathermap/error_400_onecall_out_of_range.json": PermanentFetchError,
    "openweathermap/error_401_invalid_key.json": AccountError,
    "open-meteo/forecast_minimal.json": PayloadError,
    "open-meteo/forecast_current_berlin_2024.json": PayloadError,
}

#: Asked in metric units, though the name does not say so.
METRIC = {"openweathermap/current_karaganda_shower_snow.json"}


def entries() -> list[dict[str, Any]]:
    """The lines of the manifest that are of a provider of the registry."""
    if not MANIFEST.is_file():
        return []
    return [entry for entry in json.loads(MANIFEST.read_text()) if named(entry["file"]) in PROVIDERS]


def named(file: str) -> str:
    """The provider that a body is of."""
    folder = file.partition("/")[0]
    return NAMES.get(folder, folder)


def units(file: str) -> dict[str, str]:
    """The units that a body was asked in; Weatherstack's bodies say it themselves."""
    if not file.startswith("openweathermap/"):
        return {}
    named = next((name for name in ("metric", "imperial") if name in file), "standard")
    return {"units": "metric" if file in METRIC else named}


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: str(entry["file"]))
def test_a_recorded_body_is_read_as_the_table_says(entry: dict[str, Any]) -> None:
    file, status = entry["file"], entry.get("http_status", 200)
    provider = PROVIDERS[named(file)]
    body = (FOLDER / file).read_bytes()
    if file in WEATHER:
        found = assert_answer(provider, Answer(file, body, WEATHER[file], params=units(file), whole=False))
        assert found is not None
        assert_plausible(found, json.loads(body))
        return
    if file in FORECASTS:
        at = datetime(2020, 7, 20, 12, 15, tzinfo=UTC)
        given = {**FORECASTS[file], "observed_at": at.replace(minute=0), "precipitation_period": 3600}
        assert_answer(provider, Answer(file, body, given, fetched_at=at, whole=False))
        return
    if file in BY_STATION:
        assert_stations(provider, body, BY_STATION[file])
        return
    answered = payload(provider, body, status=status, params=units(file))
    outcome = read(provider, answered)
    if file in ERRORS:
        assert type(outcome) is ERRORS[file], outcome
        assert_sound_error(provider, answered, outcome)


def assert_stations(provider: Provider, body: bytes, gives: Mapping[str, Values | None]) -> None:
    """The body gives these values for these stations."""
    found = read_all(provider, payload(provider, body, points=[RequestPoint(0, 0, station) for station in gives]), len(gives))
    assert not isinstance(found, MeteorographError), found
    for observation, values in zip(found, gives.values(), strict=True):
        assert (observation is None) == (values is None)
        if values is not None:
            assert isinstance(observation, Observation), observation
            assert_gives(observation, values, whole=False)


def test_the_recorded_observations_of_a_station_are_read_one_by_one() -> None:
    provider = PROVIDERS["nws"]
    for file, temperatures in (("empty", [None]), ("metar", [None]), ("missing_value", [None]), ("multiple", [None, 10.0])):
        features = json.loads((FOLDER / "nws" / f"stations_observations_{file}.json").read_text())["features"]
        found = [read(provider, payload(provider, feature, points=[RequestPoint(0, 0, "KFLL")])) for feature in features]
        assert [getattr(one, "temperature", None) for one in found] == temperatures


def test_the_recorded_point_leads_to_its_stations() -> None:
    stations = PROVIDERS["nws"].stations
    assert stations is not None
    asked = stations.request("http://127.0.0.1:1", Coordinates(30, -85))
    found = stations.parse(Payload(asked, 200, (FOLDER / "nws" / "points.json").read_bytes(), NOON))
    assert isinstance(found, Request)
    assert found.url == "http://127.0.0.1:1/gridpoints/TAE/58,65/stations"


@pytest.mark.parametrize(
    "entry", [one for one in entries() if one["file"] in {**PAST, **NO_PAST}], ids=lambda entry: str(entry["file"])
)
def test_a_recorded_body_of_past_hours_is_read_as_the_table_says(entry: dict[str, Any]) -> None:
    file, status = entry["file"], entry.get("http_status", 200)
    provider = PROVIDERS[file.partition("/")[0]]
    which, hours = PAST.get(file, (0, []))
    history, later = provider.history[which], datetime(2026, 6, 1, tzinfo=UTC)
    request = history.request("https://provider.invalid", RequestPoint(0, 0), later, later, KEY)
    request.params.update(units(file))
    answered = Payload(request, status, (FOLDER / file).read_bytes(), later)
    found = read_page(provider, history, answered)
    if file in NO_PAST:
        assert type(found) is NO_PAST[file], found
        return
    assert isinstance(found, Page), found
    assert len(found.observations) == len(hours)
    for observation, gives in zip(found.observations, hours, strict=True):
        assert_gives(observation, gives, whole=False)


def assert_plausible(found: Observation, body: dict[str, Any]) -> None:
    """What any recorded weather keeps, whatever the table has of it."""
    assert found.temperature is not None
    assert -60 < found.temperature < 50
    assert found.pressure is not None or found.provider == "open-meteo"  # which gives what is asked for
    assert found.pressure is None or 950 < found.pressure < 1060
    assert found.place is not None
    assert found.observed_at is not None
    if "dt" in body:
        assert found.observed_at.timestamp() == body["dt"]
    elif "location" in body:
        location = body["location"]
        assert found.observed_at.timestamp() == location["localtime_epoch"] - float(location["utc_offset"]) * 3600
