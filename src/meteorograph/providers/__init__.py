"""The registry of providers: one line each."""

from __future__ import annotations

from .base import History, Page, Provider, Stations
from .open_meteo import PROVIDER as OPEN_METEO
from .openweathermap import PROVIDER as OPENWEATHERMAP
from .weatherstack import PROVIDER as WEATHERSTACK

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (OPENWEATHERMAP, WEATHERSTACK, OPEN_METEO)}

__all__ = ["PROVIDERS", "History", "Page", "Provider", "Stations"]
