"""A local HTTP server that answers as OpenWeatherMap, Weatherstack and Open-Meteo do, with faults on demand.

It is a second, independent reading of the providers' contracts: nothing here is shared with the code that calls them.
"""

from .simulator import Simulator
from .tally import Call

__all__ = ["Call", "Simulator"]
