"""Weather conditions in the words and numbers of each provider.

Sources: https://openweathermap.org/weather-conditions and Weatherstack's list of weather codes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """A weather condition."""

    #: OpenWeatherMap: id, group, description, icon without the letter for day or night.
    owm_id: int
    owm_main: str
    owm_description: str
    owm_icon: str
    #: Weatherstack: weather code and description.
    weatherstack_code: int
    weatherstack_description: str


CLEAR = Condition(800, "Clear", "clear sky", "01", 113, "Clear ")
FEW_CLOUDS = Condition(801, "Clouds", "few clouds", "02", 116, "Partly cloudy")
SCATTERED_CLOUDS = Condition(802, "Clouds", "scattered clouds", "03", 116, "Partly cloudy")
BROKEN_CLOUDS = Condition(803, "Clouds", "broken clouds", "04", 119, "Cloudy ")
OVERCAST = Condition(804, "Clouds", "overcast clouds", "04", 122, "Overcast ")
MIST = Condition(701, "Mist", "mist", "50", 143, "Mist")
LIGHT_RAIN = Condition(500, "Rain", "light rain", "10", 296, "Light rain")
MODERATE_RAIN = Condition(501, "Rain", "moderate rain", "10", 302, "Moderate rain")
HEAVY_RAIN = Condition(502, "Rain", "heavy intensity rain", "10", 308, "Heavy rain")
RAIN_AND_SNOW = Condition(616, "Snow", "rain and snow", "13", 317, "Light sleet")
LIGHT_SNOW = Condition(600, "Snow", "light snow", "13", 326, "Light snow")
SNOW = Condition(601, "Snow", "snow", "13", 332, "Moderate snow")
HEAVY_SNOW = Condition(602, "Snow", "heavy snow", "13", 338, "Heavy snow")


def of_precipitation(rain: float, snow: float) -> Condition | None:
    """The condition for hourly amounts [mm]; None if both are 0."""
    if rain > 0 and snow > 0:
        return RAIN_AND_SNOW
    if rain > 0:
        return LIGHT_RAIN if rain < 1 else MODERATE_RAIN if rain < 4 else HEAVY_RAIN
    if snow > 0:
        return LIGHT_SNOW if snow < 0.5 else SNOW if snow < 2 else HEAVY_SNOW
    return None


def of_sky(cloud_cover: float, visibility: float) -> Condition:
    """The condition of a dry hour, from cloud cover [%] and visibility [m]."""
    if visibility < 5000:
        return MIST
    for limit, condition in ((11, CLEAR), (25, FEW_CLOUDS), (51, SCATTERED_CLOUDS), (85, BROKEN_CLOUDS)):
        if cloud_cover < limit:
            return condition
    return OVERCAST
