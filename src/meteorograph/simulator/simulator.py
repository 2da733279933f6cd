"""The simulator as its users see it: start it, point a client at its URL, ask what happened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

from ..errors import ConfigurationError
from ..model import clock
from ..model.values import Coordinates
from .connection import Listener
from .model import Model
from .replay import Replay
from .routes import Routes
from .sides import Keys
from .tally import ONE_CALL, OPEN_METEO, OPENWEATHERMAP, WEATHERSTACK, Call


class Simulator:
    """A local server that answers as OpenWeatherMap, Weatherstack and Open-Meteo do."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        now: Callable[[], datetime] | None = None,
        seed: int = 1,
        keys: Collection[str] = ("demo",),
        replay: Path | None = None,
        faults: str = "",
        owm_calls_per_minute: int | None = None,
        weatherstack_calls_per_month: int | None = None,
        one_call_keys: Collection[str] | None = None,
        one_call_4_keys: Collection[str] | None = None,
        one_call_calls_per_day: int | None = None,
        open_meteo_calls: Mapping[str, int] | None = None,
    ) -> None:
        """Set it up; nothing listens before ``start``.

        Args:
            host: Address to listen on.
            port: Port to listen on; 0 takes a free one.
            now: Tells the time (aware UTC); the project's clock, as it is at each call, when None.
            seed: Picks the made-up weather and the calls that faults with a probability fall on.
            keys: Keys that OpenWeatherMap and Weatherstack accept; any key when empty.
            replay: An hourly series to answer from instead of made-up weather.
            faults: Rules in the grammar of ``rules.py``.
            owm_calls_per_minute: Calls a key may make in one UTC calendar minute; no limit when None.
            weatherstack_calls_per_month: Calls a key may make in one UTC calendar month; no limit when None.
            one_call_keys: Keys that have OpenWeatherMap's One Call; every good one when None.
            one_call_4_keys: Those that have its version 4.0; all of ``one_call_keys`` when None.
            one_call_calls_per_day: Calls a key may make to One Call in one UTC day; no limit when None.
            open_meteo_calls: Calls by ``minute``, ``hour`` and ``day`` that Open-Meteo answers; no limit where none is named.

        Raises:
            ConfigurationError: The series or the faults cannot be read.
        """
        self._address = (host, port)
        source = Model(seed) if replay is None else Replay(replay)
        #: Name, place and height [m] of each replayed station; empty for made-up weather.
        self.stations: tuple[tuple[str, Coordinates, float], ...] = (
            tuple((spot.name, spot.coordinates, spot.elevation) for spot in source.spots) if isinstance(source, Replay) else ()
        )
        self._routes = Routes(
            source=source,
            now=now or (lambda: clock.now()),
            seed=seed,
            keys=Keys(frozenset(keys), _set(one_call_keys), _set(one_call_keys if one_call_4_keys is None else one_call_4_keys)),
            limits={
                OPENWEATHERMAP: {"minute": owm_calls_per_minute},
                ONE_CALL: {"day": one_call_calls_per_day},
                WEATHERSTACK: {"month": weatherstack_calls_per_month},
                OPEN_METEO: open_meteo_calls or {},
            },
            faults=faults,
        )
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        if self._listener is None:
            raise RuntimeError("the simulator is not started")
        host, port = self._listener.socket.getsockname()[:2]
        return f"http://{host}:{port}"

    def start(self) -> Self:
        """Listen, and answer in threads of its own.

        Raises:
            ConfigurationError: The address cannot be listened on.
        """
        if self._listener is not None:
            return self
        try:
            listener = Listener(self._address, self._routes)
        except (OSError, OverflowError) as error:
            host, port = self._address
            raise ConfigurationError(f"cannot listen on {host}:{port}: {error}") from error
        self._listener = listener
        self._thread = threading.Thread(target=listener.serve_forever, args=(0.05,), name="simulator", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection; returns when their threads have ended."""
        listener, thread = self._listener, self._thread
        if listener is None or thread is None:
            return
        self._listener = self._thread = None
        listener.shutdown()
        listener.server_close()
        listener.end_all()
        thread.join()

    def serve_forever(self) -> None:
        """Answer until ``stop`` is called or the process is interrupted; starts the server where it is not."""
        self.start()
        thread = self._thread
        try:
            # Joining in turns lets a signal handler run, and call ``stop``, between them.
            while thread is not None and thread.is_alive():
                thread.join(timeout=0.5)
        finally:
            self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def set_faults(self, spec: str) -> None:
        """Replace all fault rules; an empty spec clears them.

        Raises:
            ConfigurationError: ``spec`` is not to the grammar; the rules stay as they were.
        """
        self._routes.set_faults(spec)

    def calls(self) -> tuple[Call, ...]:
        """Every provider call in the order they came."""
        return self._routes.tally.calls()

    def sound_calls(self) -> tuple[Call, ...]:
        """The calls that fell under no fault, but for a slow one, in the order they came."""
        return self._routes.tally.sound()

    def count(self, provider: str | None = None, key: str | None = None) -> int:
        """How many provider calls came, of one provider or one key where given."""
        return self._routes.tally.count(provider, key)

    def charged(self, provider: str) -> float:
        """As how many calls those to a provider count: Open-Meteo weighs them by points and variables."""
        return self._routes.tally.charged(provider)

    def truth(self, latitude: float, longitude: float, at: datetime) -> dict[str, float | str | None]:
        """The canonical values that an answer for this point and time is made from; None is "not known".

        Raises:
            LookupError: The replayed series has no station there.
        """
        return self._routes.truth(latitude, longitude, at)

    def reset(self) -> None:
        """Forget all calls, and with them what they used of the quotas."""
        self._routes.tally.reset()


def _set(keys: Collection[str] | None) -> frozenset[str] | None:
    return None if keys is None else frozenset(keys)
