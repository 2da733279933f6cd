"""The registry of providers: the built-in providers, one line each, and the plug-ins of other packages."""

from __future__ import annotations

from . import plugins
from .base import Provider
from .met_norway import PROVIDER as MET_NORWAY
from .metar import PROVIDER as METAR
from .nws import PROVIDER as NWS
from .open_meteo import PROVIDER as OPEN_METEO
from .openweathermap import PROVIDER as OPENWEATHERMAP
from .weatherstack import PROVIDER as WEATHERSTACK

_BUILT_IN: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        OPENWEATHERMAP,
        WEATHERSTACK,
        OPEN_METEO,
        MET_NORWAY,
        NWS,
        METAR,
    )
}

_PLUGINS, _broken = plugins.load_plugins(_BUILT_IN)

PROVIDERS: dict[str, Provider] = {**_BUILT_IN, **_PLUGINS}

#: Entry point → why its provider cannot be used.
BROKEN: dict[str, str] = _broken
