"""From a request's method, target and body to the answer: the providers' routes and the simulator's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from ..errors import ConfigurationError
from . import openweathermap, weatherstack
from .answer import TEXT, Answer, as_json, spoil
from .faults import Faults
from .sides import PATHS, Keys, call_of, reply
from .tally import Tally
from .weather import Source

OWN = "/_simulator/"
ABOUT = b"""Weather simulator: answers as OpenWeatherMap, Weatherstack and Open-Meteo do. The weather is made up or replayed.

GET  /data/2.5/weather?lat=&lon=&appid=&units=   OpenWeatherMap, current weather
GET  /data/4.0/onecall/timeline/1h?...&start=    OpenWeatherMap, twenty hours from a past one
GET  /data/3.0/onecall/timemachine?...&dt=       OpenWeatherMap, one past hour
GET  /current?query=LAT,LON&access_key=&units=   Weatherstack, current weather
GET  /v1/forecast?latitude=&longitude=&current=  Open-Meteo, now and (hourly=) up to 92 days back
GET  /v1/archive?...&start_date=&end_date=       Open-Meteo, hours since 1940
GET  /_simulator/calls                           calls so far: total, by provider, key, place and minute
GET  /_simulator/truth?lat=&lon=&at=             the values that answers are made from
GET  /_simulator/faults                          rules in force and how often each was used
POST /_simulator/faults                          replace them (text/plain; an empty body clears)
POST /_simulator/reset                           forget all calls
"""


class Routes:
    """The simulator without its socket."""

    def __init__(
        self,
        *,
        source: Source,
        now: Callable[[], datetime],
        seed: int,
        keys: Keys,
        limits: Mapping[str, Mapping[str, int | None]],
        faults: str,
    ) -> None:
        """``limits`` are calls per key by provider and quota window.

        Raises:
            ConfigurationError: ``faults`` is not to the grammar.
        """
        self.source = source
        self._clock = now
        self.tally = Tally()
        self._seed = seed
        self._keys = keys
        self._limits = limits
        self._faults = Faults(faults, seed)
        self._own: dict[tuple[str, str], Callable[[dict[str, str], bytes], Answer]] = {
            ("GET", ""): lambda query, body: Answer(body=ABOUT, content_type=TEXT),
            ("GET", "calls"): lambda query, body: as_json(200, self.tally.summary()),
            ("GET", "truth"): self._truth,
            ("GET", "faults"): lambda query, body: self._rules(),
            ("POST", "faults"): self._replace_faults,
            ("POST", "reset"): self._reset,
        }

    def now(self) -> datetime:
        """The present instant (UTC)."""
        return self._clock().astimezone(UTC)

    def set_faults(self, spec: str) -> None:
        """Replace all rules.

        Raises:
            ConfigurationError: ``spec`` is not to the grammar; the rules stay as they were.
        """
        self._faults = Faults(spec, self._seed)

    def truth(self, latitude: float, longitude: float, at: datetime) -> dict[str, float | str | None]:
        """The canonical values that an answer for this point and time is made from.

        Raises:
            LookupError: The replayed series has no station there.
        """
        spot = self.source.find(latitude, longitude)
        if spot is None:
            raise LookupError(f"no station near {latitude:g},{longitude:g}")
        return self.source.weather(spot, at.astimezone(UTC)).truth()

    def answer(self, method: str, target: str, body: bytes = b"") -> Answer:
        """The answer to one request."""
        path, query = _split(target)
        if path.startswith(OWN) or path + "/" == OWN:
            return self._answer_own(method, path.removeprefix(OWN.rstrip("/")).lstrip("/"), query, body)
        if method != "GET":
            return Answer(status=405, body=b"only GET\n", content_type=TEXT, headers=(("Allow", "GET"),))
        if path in PATHS:
            return self._answer_provider(path, query)
        if path.startswith("/data/"):
            return as_json(404, {"cod": "404", "message": "Internal error"})
        return as_json(*weatherstack.refusal("invalid_api_function"))

    def _answer_provider(self, path: str, query: dict[str, str]) -> Answer:
        call = call_of(path, query, self.now())
        number, over = self.tally.add(call, self._limits.get(call.provider, {}))
        delay, rule = self._faults.decide(call, number)
        if rule:
            self.tally.fault(number, rule.kind)

        def answered() -> tuple[int, Any]:
            return reply(path, query, call, over, self._keys, self.source)

        answer = spoil(rule, call.provider, answered) if rule else as_json(*answered())
        return msgspec.structs.replace(answer, delay=delay) if delay else answer

    def _answer_own(self, method: str, name: str, query: dict[str, str], body: bytes) -> Answer:
        act = self._own.get((method, name))
        if act:
            return act(query, body)
        known = [verb for verb, route in self._own if route == name]
        if known:
            return Answer(status=405, content_type=TEXT, headers=(("Allow", ", ".join(known)),))
        return _told(404, f"no such route; {OWN} lists them")

    def _rules(self) -> Answer:
        faults = self._faults
        rules = [{"rule": text, "used": used} for text, used in faults.used()]
        return as_json(200, {"spec": faults.spec, "rules": rules})

    def _replace_faults(self, query: dict[str, str], body: bytes) -> Answer:
        try:
            self.set_faults(body.decode())
        except (ConfigurationError, UnicodeDecodeError) as error:
            return _told(400, str(error))
        return self._rules()

    def _reset(self, query: dict[str, str], body: bytes) -> Answer:
        self.tally.reset()
        return as_json(200, self.tally.summary())

    def _truth(self, query: dict[str, str], body: bytes) -> Answer:
        latitude, longitude = openweathermap.point_of(query)
        if latitude is None or longitude is None:
            return _told(400, "lat and lon must be degrees on the earth")
        try:
            at = datetime.fromisoformat(query["at"]) if query.get("at") else self.now()
        except ValueError:
            return _told(400, "at must be an instant with its zone, as 2026-01-01T00:00Z")
        if at.tzinfo is None:
            return _told(400, "at has no zone; write it as 2026-01-01T00:00Z")
        try:
            return as_json(200, self.truth(latitude, longitude, at))
        except LookupError as error:
            return _told(404, str(error))


def _split(target: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def _told(status: int, reason: str) -> Answer:
    return Answer(status=status, body=f"{reason}\n".encode(), content_type=TEXT)
