"""A local HTTP server that simulates OpenWeatherMap, Weatherstack and Open-Meteo, with faults on demand.

It implements the providers' documentation a second time, independently: it shares no code with the parsers that it tests,
not even the unit factors.
"""

from .simulator import Simulator
from .tally import Call

__all__ = ["Call", "Simulator"]
