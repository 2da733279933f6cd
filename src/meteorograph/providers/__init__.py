"""The registry of providers: one line each."""

from __future__ import annotations

from .base import History, Page, Provider, Stations
from .met_norway import PROVIDER as MET_NORWAY
from .metar import PROVIDER as METAR
from .nws import PROVIDER as NWS
from .openweathermap import PROVIDER as OPENWEATHERMAP
from .weatherstack import PROVIDER as WEATHERSTACK

PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        OPENWEATHERMAP,
        WEATHERSTACK,
        MET_NORWAY,
        NWS,
        METAR,
    )
}

__all__ = ["PROVIDERS", "History", "Page", "Provider", "Stations"]
