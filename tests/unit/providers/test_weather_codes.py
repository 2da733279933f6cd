"""The weather of each provider as a code of one table."""

from __future__ import annotations

import pytest

from meteorograph.providers import weather_codes
from meteorograph.providers.weather_codes import code_in_table, code_of_groups, code_of_sky, code_of_symbol


@pytest.mark.parametrize(
    ("groups", "code"),
    [
        ("-DZ", 51), ("DZ", 53), ("+DZ", 55), ("-RA", 61), ("RA", 63), ("+RA", 65), ("-SN", 71), ("SN", 73), ("+SN", 75),
        ("-SHRA", 80), ("SHRA", 81), ("+SHRA", 82), ("-SHSN", 85), ("SHSN", 86), ("-SHRASN", 83), ("SHSNRA", 84),
        ("-RASN", 68), ("SNRA", 69), ("-DZRA", 58), ("-FZRA", 66), ("FZRA", 67), ("FZDZ", 57), ("PL", 79), ("SG", 77),
        ("TS", 17), ("TSRA", 95), ("+TSRA", 97), ("-TSRA", 95), ("TSGR", 96), ("+TSRAGR", 99), ("TSSN", 95), ("TSUP", 95),
        ("FG", 45), ("FZFG", 49), ("MIFG", 12), ("BCFG", 41), ("BR", 10), ("HZ", 5), ("FU", 4), ("VCSH", 16), ("VCTS", 17),
        ("BLSN", 38), ("+BLSN", 39), ("DRSN", 36), ("SS", 31), ("+DS", 34), ("SQ", 18), ("+FC", 19), ("SHGS", 88),
        ("-RA BR", 61), ("BR -RA", 61), ("FG TS", 17), ("TS RA", 63), ("RERA", None), ("XX", None), ("", None), ("//", None),
        ("UP", None), ("-RA //", 61),
    ],
)  # fmt: skip
def test_groups_of_reports(groups: str, code: int | None) -> None:
    assert code_of_groups(groups.split()) == code


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        ("clearsky_day", 0), ("fair_night", 1), ("partlycloudy_polartwilight", 2), ("cloudy", 3), ("fog", 45), ("lightrain", 61),
        ("heavyrainshowers_day", 82), ("sleet", 69), ("lightsnowshowers_night", 85), ("rainandthunder", 95),
        ("heavysnowshowersandthunder_day", 97), ("lightssleetshowersandthunder_day", 95),
        ("lightssnowshowersandthunder_night", 95),
        ("volcano", None), ("", None), ("andthunder", None),
    ],
)  # fmt: skip
def test_symbols_of_met_norway(symbol: str, code: int | None) -> None:
    assert code_of_symbol(symbol) == code


@pytest.mark.parametrize(
    ("cover", "code"), [(None, None), (0.0, 0), (12.4, 0), (18.75, 1), (43.75, 2), (75.0, 2), (87.5, 3), (100.0, 3)]
)
def test_the_sky(cover: float | None, code: int | None) -> None:
    assert code_of_sky(cover) == code


@pytest.mark.parametrize(
    ("number", "code"), [(61.0, 61), (0, 0), (99.0, 99), (100.0, None), (-1.0, None), (61.5, None), (None, None)]
)
def test_codes_of_the_table(number: float | None, code: int | None) -> None:
    assert code_in_table(number) == code


def test_the_same_weather_has_the_same_code_with_every_provider() -> None:
    same = [
        ({800}, {113}, "clearsky", "", 0.0, 0),
        ({804}, {122, 119}, "cloudy", "", 100.0, 3),
        ({741}, {248}, "fog", "FG", 100.0, 45),
        ({500}, {296}, "lightrain", "-RA", 100.0, 61),
        ({502}, {308}, "heavyrain", "+RA", 100.0, 65),
        ({600}, {326}, "lightsnow", "-SN", 100.0, 71),
        ({520}, {353}, "lightrainshowers", "-SHRA", 75.0, 80),
        ({616}, {320}, "sleet", "RASN", 100.0, 69),
        ({201}, {386}, "rainandthunder", "TSRA", 100.0, 95),
    ]
    for owm, weatherstack, symbol, groups, cover, code in same:
        assert {weather_codes.OPENWEATHERMAP[number] for number in owm} == {code}
        assert {weather_codes.WEATHERSTACK[number] for number in weatherstack} == {code}
        assert code_of_symbol(symbol) == code
        assert (code_of_groups(groups.split()) or code_of_sky(cover)) == code


def test_every_code_is_one_of_the_table() -> None:
    for table in (weather_codes.OPENWEATHERMAP, weather_codes.WEATHERSTACK, weather_codes.MET_NORWAY):
        assert all(code_in_table(code) == code for code in table.values())
    assert len(weather_codes.OPENWEATHERMAP) == 55
    assert len(weather_codes.WEATHERSTACK) == 48
