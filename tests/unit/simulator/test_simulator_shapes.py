"""Keys and types of the simulator's bodies, against schemas written after the providers' bodies and not after our parsers.

Where the recorded bodies are at hand, the schemas must fit them as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from meteorograph.simulator import Simulator, openweathermap
from meteorograph.simulator.geography import spot_at
from meteorograph.simulator.stations import identifier_at, place_of
from support import ROOT

N: Final = (int, float)
RECORDED = Path(os.environ.get("METEOROGRAPH_RECORDED_DIR", ROOT.parent / "shared" / "recorded"))

#: A key with ``?`` may be missing; the schema ``{"*": …}`` holds for every key; ``...`` for anything.
WEATHER = [{"id": int, "main": str, "description": str, "icon": str}]
WIND = {"speed": N, "deg?": N, "gust?": N}
MAIN = {
    **{"temp": N, "temp_min": N, "temp_max": N, "pressure": N, "humidity": N},
    **{"feels_like?": N, "sea_level?": N, "grnd_level?": N, "temp_kf?": N},
}
OWM_CURRENT = {
    **{"coord": {"lon": N, "lat": N}, "weather": WEATHER, "base": str, "main": MAIN, "visibility?": N, "wind": WIND},
    **{"rain?": {"*": N}, "snow?": {"*": N}, "clouds": {"all": N}, "dt": int, "sys": {"*": (int, float, str)}},
    **{"timezone?": int, "id": int, "name": str, "cod": int},
}
ENTRY = {
    **{"dt": int, "main": MAIN, "weather": WEATHER, "clouds": {"all": N}, "wind": WIND, "visibility?": N, "pop": N},
    **{"rain?": {"3h": N}, "snow?": {"3h": N}, "sys": {"pod": str}, "dt_txt": str},
}
CITY = {
    **{"id": int, "name": str, "coord": {"lat": N, "lon": N}, "country": str, "population": int, "timezone": int},
    **{"sunrise": int, "sunset": int},
}
FORECAST = {"cod": str, "message": N, "cnt": int, "list": [ENTRY], "city": CITY}
RECORD = {
    **{"dt": int, "sunrise?": int, "sunset?": int, "temp": N, "feels_like": N, "pressure": N, "humidity": N, "dew_point": N},
    **{"uvi?": N, "clouds": N, "visibility?": N, "wind_speed": N, "wind_deg": N, "wind_gust?": N, "pop?": N, "weather": WEATHER},
    **{"rain?": {"1h": N}, "snow?": {"1h": N}, "alerts?": ...},
}
PARTS = {"morn": N, "day": N, "eve": N, "night": N, "min?": N, "max?": N}
DAY = {
    **{name: kind for name, kind in RECORD.items() if name not in ("temp", "feels_like", "rain?", "snow?", "visibility?")},
    **{"temp": PARTS, "feels_like": PARTS, "summary": str, "rain?": N, "snow?": N},
}
ONE_CALL_HEAD = {"lat": N, "lon": N, "timezone": str, "timezone_offset?": int}
REPORT = {
    **ONE_CALL_HEAD,
    **{"current?": RECORD, "minutely?": [{"dt": int, "precipitation": N}], "hourly?": [RECORD], "daily?": [DAY]},
}
ONE_CALL_DATA = {**ONE_CALL_HEAD, "data": [RECORD], "next?": str, "prev?": str}
OWM_ERROR = {"cod": (int, str), "message": str, "parameters?": [str]}
OPEN_METEO = {
    **{"latitude": N, "longitude": N, "generationtime_ms": N, "utc_offset_seconds": int, "timezone": str},
    **{"timezone_abbreviation": str, "elevation": N, "current_units?": {"*": str}, "current?": {"*": (int, float, str)}},
    **{"hourly_units?": {"*": str}, "hourly?": {"*": [(int, float, str, type(None))]}},
    **{"daily_units?": {"*": str}, "daily?": {"*": [(int, float, str, type(None))]}},
}
SYMBOL = {"symbol_code": str}
PERIOD = {"summary": SYMBOL, "details?": {"*": N}}
MET = {
    "type": str,
    "geometry": {"type": str, "coordinates": [N]},
    "properties": {
        "meta": {"updated_at": str, "units": {"*": str}},
        "timeseries": [
            {
                "time": str,
                "data": {
                    **{"instant": {"details": {"*": N}}, "next_1_hours?": PERIOD, "next_6_hours?": PERIOD},
                    **{"next_12_hours?": {"summary": SYMBOL, "details?": {"*": N}}},
                },
            }
        ],
    },
}
METAR = [
    {
        **{"icaoId": str, "receiptTime": str, "obsTime": int, "reportTime": str, "temp": N, "dewp": N, "wdir?": (int, str)},
        **{"wspd?": int, "wgst?": int, "visib?": (int, float, str), "altim": N, "slp?": N, "qcField": int, "precip?": N},
        **{"wxString?": str, "metarType": str, "rawOb": str, "lat": N, "lon": N, "elev": int, "name": str, "cover?": str},
        **{"clouds?": [{"cover": str, "base?": int}], "fltCat?": str},
    }
]
QUANTITY = {"unitCode": str, "value": (int, float, type(None)), "qualityControl?": str}
_QUANTITIES = (
    *("temperature", "dewpoint", "windDirection", "windSpeed", "windGust", "barometricPressure", "seaLevelPressure"),
    *("visibility", "maxTemperatureLast24Hours", "minTemperatureLast24Hours", "precipitationLastHour"),
    *("precipitationLast3Hours", "precipitationLast6Hours", "relativeHumidity", "windChill", "heatIndex"),
)
NWS = {
    "@context?": ...,
    "id": str,
    "type": str,
    "geometry": {"type": str, "coordinates": [N]},
    "properties": {
        **{"@id": str, "@type": str, "elevation": QUANTITY, "station": str, "timestamp": str, "rawMessage": str},
        **{
            "textDescription": str,
            "icon": (str, type(None)),
            "presentWeather": ...,
            "cloudLayers": [{"base": QUANTITY, "amount": str}],
        },
        **dict.fromkeys(_QUANTITIES, QUANTITY),
    },
}
LAND = identifier_at(40, -75)
OWM = "lat=40&lon=-75&appid=demo"
#: What the simulator is asked, its status, the schema, and a recorded body that the schema fits.
CASES = [
    (f"/data/2.5/weather?{OWM}", 200, OWM_CURRENT, "openweathermap/current_yakutsk_clear_2022.json"),
    ("/data/2.5/weather?LAT=40&Lon=-75&APPID=demo&lang=en&mode=json", 200, OWM_CURRENT, None),
    (f"/data/2.5/forecast?{OWM}", 200, FORECAST, "openweathermap/forecast5_first5.json"),
    (f"/data/3.0/onecall?{OWM}", 200, REPORT, "openweathermap/onecall3_exclude_minutely_hourly.json"),
    (f"/data/4.0/onecall/current?{OWM}", 200, ONE_CALL_DATA, "openweathermap/docs_onecall4_current.json"),
    (f"/data/4.0/onecall/timeline/1h?{OWM}", 200, ONE_CALL_DATA, None),
    (f"/data/3.0/onecall/timemachine?{OWM}&dt=1772366400", 200, ONE_CALL_DATA, "openweathermap/onecall3_timemachine.json"),
    ("/data/2.5/weather?lat=40&lon=-75&appid=wrong", 401, OWM_ERROR, "openweathermap/error_401_invalid_key.json"),
    (
        "/v1/forecast?latitude=40&longitude=-75&current=temperature_2m,is_day",
        200,
        OPEN_METEO,
        "open-meteo/forecast_current_berlin_2024.json",
    ),
    (
        "/v1/forecast?latitude=40&longitude=-75&current=temperature_2m&daily=sunset&timezone=auto&hourly=rain&hourly=snowfall",
        200,
        OPEN_METEO,
        "open-meteo/forecast_current_daily_london_tzauto_2026.json",
    ),
    ("/weatherapi/locationforecast/2.0/compact?lat=40&lon=-75", 200, MET, "metno/compact_newyork_2020.json"),
    ("/weatherapi/locationforecast/2.0/complete?lat=51.5&lon=-0.1", 200, MET, "metno/complete_london_2020.json"),
    (f"/api/data/metar?ids={LAND}&format=json", 200, METAR, "metar/ktys_2026.json"),
    (f"/stations/{LAND}/observations/latest", 200, NWS, "nws/stations_observations_latest.json"),
    ("/data/2.5/weather?q=London&appid=demo", 501, ..., None),
    (f"/data/2.5/weather?{OWM}&mode=xml", 501, ..., None),
    (f"/data/2.5/weather?{OWM}&lang=de", 501, ..., None),
    (f"/data/2.5/air_pollution?{OWM}", 501, ..., None),
    ("/v1/forecast?latitude=40&longitude=-75&hourly=rain&format=flatbuffers", 501, ..., None),
    ("/v1/forecast?latitude=40&longitude=-75&hourly=uv_index", 501, ..., None),
    ("/v1/forecast?latitude=40&longitude=-75&models=gfs_global", 501, ..., None),
    ("/api/data/metar?ids=KTYS&format=xml", 501, ..., None),
    ("/gridpoints/SIM/1,2/forecast", 501, ..., None),
    ("/nowhere", 404, ..., None),
    ("/data/9.9/weather", 404, ..., None),
]


def misfits(value: Any, schema: Any, path: str = "") -> Iterator[str]:
    """What of a body does not fit a schema."""
    if schema is ...:
        return
    if isinstance(schema, list):
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for number, item in enumerate(value):
            yield from misfits(item, schema[0], f"{path}[{number}]")
    elif isinstance(schema, dict):
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        known = {name.removesuffix("?"): (kind, name.endswith("?")) for name, kind in schema.items()}
        for name, (_, is_optional) in known.items():
            if name not in value and name != "*" and not is_optional:
                yield f"{path}.{name} is missing"
        for name, item in value.items():
            kind = known.get(name) or known.get("*")
            if kind is None:
                yield f"{path}.{name} is unknown"
            else:
                yield from misfits(item, kind[0], f"{path}.{name}")
    elif not isinstance(value, schema) or (isinstance(value, bool) and schema is not bool):
        yield f"{path} is {value!r}"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.mark.parametrize(("target", "status", "schema", "recorded"), CASES, ids=[case[0] for case in CASES])
def test_a_body_has_the_keys_and_types_of_the_provider(
    simulator: Simulator, target: str, status: int, schema: Any, recorded: str | None
) -> None:
    answer = simulator._routes.answer("GET", target)
    body = json.loads(answer.body)
    assert answer.status == status, body
    assert list(misfits(body, schema)) == []
    if status == 501:
        assert "does not simulate" in body["message"]
    if recorded and (RECORDED / recorded).is_file():
        assert list(misfits(json.loads((RECORDED / recorded).read_text()), schema)) == []


def test_stations_have_identifiers_of_their_places() -> None:
    for latitude, longitude in ((-90, -180), (0, 0), (40, -75), (89.5, 179.5)):
        assert place_of(identifier_at(latitude, longitude)) == (latitude, longitude)
    assert place_of("ZZZZ") is None
    assert spot_at(40, -75).code == "US"


@pytest.mark.parametrize(
    ("status", "recorded"), [(401, "error_401_invalid_key.json"), (429, "docs_error_429_blocked.json")], ids=["401", "429"]
)
def test_refusals_are_those_that_were_recorded(status: int, recorded: str) -> None:
    answered, body = openweathermap.error(status)
    assert (answered, list(misfits(body, OWM_ERROR)), body["cod"]) == (status, [], status)
    if (RECORDED / "openweathermap" / recorded).is_file():
        assert body == json.loads((RECORDED / "openweathermap" / recorded).read_text())


def test_reports_are_text_unless_json_is_asked_for(simulator: Simulator) -> None:
    answer = simulator._routes.answer("GET", f"/api/data/metar?ids={LAND}&hours=2")
    assert answer.content_type.startswith("text/plain")
    assert [line[:11] for line in answer.body.decode().splitlines()] == [f"METAR {LAND} "] * 2
    nothing = simulator._routes.answer("GET", f"/api/data/metar?ids={identifier_at(0, -30)}&format=json")
    assert (nothing.status, nothing.body) == (204, b"")
