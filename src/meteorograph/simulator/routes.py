"""The answer to a request: the routes of the providers and of the simulator itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from ..errors import ConfigurationError
from . import geocoding, openweathermap, refusals, weatherstack
from .answer import TEXT, Answer, apply_fault, as_json
from .dispatch import Keys, parse_call, provider_of, reply
from .faults import Faults
from .tally import Tally
from .weather import Source

OWN = "/_simulator/"
ABOUT = b"""Weather simulator of OpenWeatherMap, Weatherstack, Open-Meteo, MET Norway, the US National Weather Service and METAR.
The weather is synthetic or replayed. What a provider has and the simulator does not is refused with 501.

GET  /data/2.5/weather?lat=&lon=&appid=&units=   OpenWeatherMap, current weather
GET  /data/2.5/forecast?lat=&lon=&appid=         OpenWeatherMap, five days
GET  /data/3.0/onecall?lat=&lon=&appid=          OpenWeatherMap, One Call 3.0
GET  /data/4.0/onecall/current?...               OpenWeatherMap, One Call 4.0; also timeline/1min and timeline/1day
GET  /data/4.0/onecall/timeline/1h?...&start=    OpenWeatherMap, twenty hours from a past hour
GET  /data/3.0/onecall/timemachine?...&dt=       OpenWeatherMap, one past hour
GET  /current?query=LAT,LON&access_key=&units=   Weatherstack, current weather
GET  /v1/forecast?latitude=&longitude=&current=  Open-Meteo, now and (hourly=) up to 92 days back
GET  /v1/archive?...&start_date=&end_date=       Open-Meteo, hours since 1940
GET  /v1/search?name=                            Open-Meteo's geocoder, with a few places
GET  /weatherapi/locationforecast/2.0/compact    MET Norway, and /complete
GET  /points/LAT,LON, /stations/ID/observations  US National Weather Service
GET  /api/data/metar?ids=&bbox=&format=json      METAR
GET  /_simulator/calls                           calls: total, by provider, key, place and minute
GET  /_simulator/truth?lat=&lon=&at=             the values behind an answer
GET  /_simulator/faults                          current rules and how often each was used
POST /_simulator/faults                          replace the rules (text/plain; an empty body clears them)
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
        """``limits``: provider → quota window → calls per key.

        Raises:
            ConfigurationError: ``faults`` violates the grammar.
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
        """The current instant (UTC)."""
        return self._clock().astimezone(UTC)

    def set_faults(self, spec: str) -> None:
        """Replace all rules.

        Raises:
            ConfigurationError: ``spec`` violates the grammar; the rules do not change.
        """
        self._faults = Faults(spec, self._seed)

    def truth(self, latitude: float, longitude: float, at: datetime) -> dict[str, float | str | None]:
        """The canonical values behind an answer for this point and time.

        Raises:
            LookupError: The replayed series has no station near the point.
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
        try:
            if path == geocoding.PATH:
                return as_json(*geocoding.answer(query))
            if provider_of(path):
                return self._answer_provider(path, query)
            if path in weatherstack.OTHER_FUNCTIONS:
                return as_json(*weatherstack.refusal("invalid_api_function"))
            refusals.refuse_service(path)
        except refusals.NotSimulatedError as error:
            return as_json(501, refusals.body(error))
        return as_json(404, {"cod": "404", "message": "Internal error"})

    def _answer_provider(self, path: str, query: dict[str, str]) -> Answer:
        call = parse_call(path, query, self.now())
        number, exceeded = self.tally.add(call, self._limits.get(call.provider, {}))
        delay, rule = self._faults.decide(call, number)
        if rule:
            self.tally.record_fault(number, rule.kind)

        def correct_reply() -> tuple[int, Any]:
            return reply(path, query, call, exceeded, self._keys, self.source)

        answer = apply_fault(rule, call.provider, correct_reply) if rule else as_json(*correct_reply())
        return msgspec.structs.replace(answer, delay=delay) if delay else answer

    def _answer_own(self, method: str, name: str, query: dict[str, str], body: bytes) -> Answer:
        handler = self._own.get((method, name))
        if handler:
            return handler(query, body)
        allowed = [verb for verb, route in self._own if route == name]
        if allowed:
            return Answer(status=405, content_type=TEXT, headers=(("Allow", ", ".join(allowed)),))
        return _text_answer(404, f"no such route; {OWN} lists them")

    def _rules(self) -> Answer:
        faults = self._faults
        rules = [{"rule": text, "used": used} for text, used in faults.usage()]
        return as_json(200, {"spec": faults.spec, "rules": rules})

    def _replace_faults(self, query: dict[str, str], body: bytes) -> Answer:
        try:
            self.set_faults(body.decode())
        except (ConfigurationError, UnicodeDecodeError) as error:
            return _text_answer(400, str(error))
        return self._rules()

    def _reset(self, query: dict[str, str], body: bytes) -> Answer:
        self.tally.reset()
        return as_json(200, self.tally.summary())

    def _truth(self, query: dict[str, str], body: bytes) -> Answer:
        latitude, longitude = openweathermap.point_of(query)
        if latitude is None or longitude is None:
            return _text_answer(400, "lat and lon must be degrees on the earth")
        try:
            at = datetime.fromisoformat(query["at"]) if query.get("at") else self.now()
        except ValueError:
            return _text_answer(400, "at must be an instant with a time zone, such as 2026-01-01T00:00Z")
        if at.tzinfo is None:
            return _text_answer(400, "at has no time zone; write it like 2026-01-01T00:00Z")
        try:
            return as_json(200, self.truth(latitude, longitude, at))
        except LookupError as error:
            return _text_answer(404, str(error))


def _split(target: str) -> tuple[str, dict[str, str]]:
    """Path and parameters. Repeated parameters of Open-Meteo are a list; names of OpenWeatherMap's are in any case."""
    parts = urlsplit(target)
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        key = name.lower() if parts.path.startswith("/data/") else name
        query[key] = f"{query[key]},{value}" if key in query and parts.path.startswith("/v1/") else value
    return parts.path, query


def _text_answer(status: int, reason: str) -> Answer:
    return Answer(status=status, body=f"{reason}\n".encode(), content_type=TEXT)
