"""The registry of providers: one line each."""

from __future__ import annotations

from .base import History, Provider, Stations
from .openweathermap import PROVIDER as OPENWEATHERMAP
from .weatherstack import PROVIDER as WEATHERSTACK

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (OPENWEATHERMAP, WEATHERSTACK)}

__all__ = ["PROVIDERS", "History", "Provider", "Stations"]
