"""The interface of the simulator: start it, call its URL, and inspect the calls."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

from ..errors import ConfigurationError
from ..model import clock
from ..model.values import Coordinates
from .connection import Listener
from .dispatch import Keys
from .model import Model
from .replay import Replay
from .routes import Routes
from .tally import ONE_CALL, OPEN_METEO, OPENWEATHERMAP, WEATHERSTACK, Call


class Simulator:
    """A local server that simulates OpenWeatherMap, Weatherstack and Open-Meteo."""

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
        """Configure the server; it does not listen before ``start``.

        Args:
            host: Address to listen on.
            port: Port to listen on; 0 for a free port.
            now: Returns the current time (aware UTC); by default the project's clock.
            seed: Determines the synthetic weather, and which calls get faults with a probability.
            keys: Keys that OpenWeatherMap and Weatherstack accept; any key if empty.
            replay: An hourly series to answer from, instead of synthetic weather.
            faults: Rules in the grammar of ``rules.py``.
            owm_calls_per_minute: Calls a key may make in one UTC calendar minute; no limit if None.
            weatherstack_calls_per_month: Calls a key may make in one UTC calendar month; no limit if None.
            one_call_keys: Keys with OpenWeatherMap's One Call; all valid keys if None.
            one_call_4_keys: Keys with One Call 4.0; all of ``one_call_keys`` if None.
            one_call_calls_per_day: Calls a key may make to One Call in one UTC day; no limit if None.
            open_meteo_calls: Calls to Open-Meteo by ``minute``, ``hour`` and ``day``; no limit for a missing window.

        Raises:
            ConfigurationError: The series or the faults are invalid.
        """
        self._address = (host, port)
        source = Model(seed) if replay is None else Replay(replay)
        #: Name, place and height [m] of each replayed station; empty for synthetic weather.
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
        """The address of the server, without a slash at the end."""
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
        """Close the port and all connections, and wait for their threads."""
        listener, thread = self._listener, self._thread
        if listener is None or thread is None:
            return
        self._listener = self._thread = None
        listener.shutdown()
        listener.server_close()
        listener.end_all()
        thread.join()

    def serve_forever(self) -> None:
        """Answer until ``stop`` is called or the process is interrupted; starts the server if necessary."""
        self.start()
        thread = self._thread
        try:
            # Joining with a timeout lets a signal handler run, which may call ``stop``.
            while thread is not None and thread.is_alive():
                thread.join(timeout=0.5)
        finally:
            self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def set_faults(self, spec: str) -> None:
        """Replace all fault rules; an empty spec removes them.

        Raises:
            ConfigurationError: ``spec`` violates the grammar; the rules do not change.
        """
        self._routes.set_faults(spec)

    def calls(self) -> tuple[Call, ...]:
        """All provider calls, in the order of arrival."""
        return self._routes.tally.calls()

    def fault_counts(self) -> Counter[str]:
        """Kind of a fault, except latency → how many calls had it."""
        return self._routes.tally.fault_counts()

    def calls_without_fault(self) -> tuple[Call, ...]:
        """The calls without a fault except latency, in the order of arrival."""
        return self._routes.tally.calls_without_fault()

    def count(self, provider: str | None = None, key: str | None = None) -> int:
        """The number of provider calls, optionally of one provider or one key."""
        return self._routes.tally.count(provider, key)

    def charged_calls(self, provider: str) -> float:
        """The number of charged calls of a provider: Open-Meteo weighs calls by points and variables."""
        return self._routes.tally.charged_calls(provider)

    def truth(self, latitude: float, longitude: float, at: datetime) -> dict[str, float | str | None]:
        """The canonical values behind an answer for this point and time; None means "not known".

        Raises:
            LookupError: The replayed series has no station near the point.
        """
        return self._routes.truth(latitude, longitude, at)

    def reset(self) -> None:
        """Forget all calls, and reset the quotas."""
        self._routes.tally.reset()


def _set(keys: Collection[str] | None) -> frozenset[str] | None:
    return None if keys is None else frozenset(keys)
