"""What ``fuzz.py`` feeds: parsers of providers, readers of files and texts, routes, and the web server's socket."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from meteorograph import create_app
from meteorograph.config.loading import load_settings
from meteorograph.errors import FetchError, MeteorographError, PayloadError
from meteorograph.journal.frames import damaged_length, iterate_frames, valid_length
from meteorograph.journal.reader import read_file
from meteorograph.locations.files import read_locations
from meteorograph.model.values import Payload
from meteorograph.providers.base import Provider
from meteorograph.providers.registry import PROVIDERS
from meteorograph.testing.assertions import assert_sound_observation
from meteorograph.testing.current import payload_for_point
from meteorograph.testing.fixtures import BASE_URL, NOON, Fixtures, encoded
from meteorograph.testing.past import HistoryCase
from meteorograph.testing.reading import read, read_stations
from support import served

Target = Callable[[random.Random], object]

_ODD: Final = (
    *(b"", b"\0", b"\xff", b"'", b'"', b"null", b"NaN", b"1e999", b"-0", b"9" * 400, b"[" * 300, b"{}", b"\xef\xbb\xbf"),
    *("\u202e".encode(), "ä".encode(), b"=cmd()", b"<script>", b"%00", b"../..", b"\r\n", b";", b",", b"1.7976931348623157e308"),
)

#: Status codes of answers.
_STATUSES: Final = (200, 200, 200, 203, 304, 400, 401, 403, 404, 429, 500, 503)

_TIMES: Final = ("7d", "2026-03-01", "2026-03-01T12:00Z", "0001-01-01", "9999-12-31T23:59:59Z", "1h", "-1h", "now")
_WORDS: Final = (
    "json",
    "csv",
    "ndjson",
    "day",
    "hour",
    "month",
    "15m",
    "asc",
    "true",
    "metric,temperature:K",
    "London",
    "1",
    "0",
    "-1",
)


def damaged(rng: random.Random, sound: bytes) -> bytes:
    """The bytes with one to six places changed."""
    data = bytearray(sound)
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(data))
        match rng.randrange(5):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                del data[at : at + rng.randint(0, 20)]
            case 2:
                data[at:at] = data[at : at + rng.randint(0, 60)]
            case 3:
                data[at : at + rng.randint(0, 8)] = rng.choice(_ODD)
            case _:
                data[at:at] = rng.randbytes(rng.randint(0, 4))
    return bytes(data)


def parsers() -> dict[str, Target]:
    """A target for each parser of each provider: current weather, station lists and histories."""
    targets: dict[str, Target] = {}
    for name, provider in PROVIDERS.items():
        fixtures: Fixtures = import_module(f"unit.providers.fixtures.{name.replace('-', '_')}").FIXTURES
        targets[f"parser {name}"] = _current(provider, fixtures)
        if fixtures.lookups:
            targets[f"stations {name}"] = _stations(provider, fixtures)
        for number, (history, own) in enumerate(zip(provider.history, fixtures.histories, strict=True), 1):
            case = HistoryCase(provider, history, fixtures, own)
            targets[f"history {number} {name}"] = _history(case, [own.good, *(pages.body for pages in own.answers)])
    return targets


def _current(provider: Provider, fixtures: Fixtures) -> Target:
    bodies = [encoded(fixtures.good), *(encoded(answer.body) for answer in fixtures.answers)]

    def parse(rng: random.Random) -> None:
        read(provider, payload_for_point(provider, fixtures, damaged(rng, rng.choice(bodies)), status=rng.choice(_STATUSES)))

    return parse


def _stations(provider: Provider, fixtures: Fixtures) -> Target:
    assert provider.stations is not None
    bodies = [encoded(body) for lookup in fixtures.lookups for body in lookup.bodies]
    request = provider.stations.request(BASE_URL, fixtures.lookups[0].point)

    def parse(rng: random.Random) -> None:
        read_stations(provider, Payload(request, rng.choice(_STATUSES), damaged(rng, rng.choice(bodies)), NOON))

    return parse


def _history(case: HistoryCase, bodies: list[Any]) -> Target:
    sound = [encoded(body) for body in bodies]

    def parse(rng: random.Random) -> None:
        response = case.payload(damaged(rng, rng.choice(sound)), status=rng.choice(_STATUSES))
        with suppress(FetchError, PayloadError):
            page = case.history.parse(response)
            assert page.next_start is None or page.next_start > case.own.start, "the next page begins where this one does"
            for observation in page.observations:
                assert_sound_observation(case.provider, response, observation)

    return parse


def texts(function: Callable[[str], object], *sound: str) -> Target:
    def call(rng: random.Random) -> None:
        text = damaged(rng, rng.choice(sound).encode()).decode("utf-8", "replace")
        try:
            function(text)
        except (ValueError, MeteorographError):
            pass

    return call


def locations(format: str, sound: bytes) -> Target:
    def call(rng: random.Random) -> None:
        try:
            list(
                read_locations(
                    [damaged(rng, sound)] if format == "geojson" else damaged(rng, sound).splitlines(keepends=True), format
                )
            )
        except MeteorographError:
            pass

    return call


def journal(folder: Path) -> Target:
    sound = next(
        iter(sorted(folder.rglob("*.mgj*")) or sorted(path for path in folder.rglob("*") if path.is_file()))
    ).read_bytes()
    path = folder / "fuzzed"

    def call(rng: random.Random) -> None:
        data = damaged(rng, sound)
        path.write_bytes(data)
        list(read_file(path))
        list(iterate_frames(data))
        assert 0 <= valid_length(data) <= len(data)
        assert damaged_length(data) >= 0

    return call


def routes() -> Target:
    app = create_app()
    client = app.test_client()
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    names = (
        "location",
        "start",
        "end",
        "limit",
        "cursor",
        "fields",
        "units",
        "zone",
        "format",
        "bucket",
        "order",
        "total",
        "name",
    )

    def word(rng: random.Random) -> str:
        text = rng.choice((*_TIMES, *_WORDS))
        return damaged(rng, text.encode()).decode("utf-8", "replace") if rng.random() < 0.5 else text

    def call(rng: random.Random) -> None:
        rule = rng.choice(rules)
        method = rng.choice(sorted(rule.methods or {"GET"}))
        path = str(rule.rule)
        for argument in rule.arguments:
            path = path.replace(f"<{argument}>", quote(word(rng))).replace(f"<path:{argument}>", quote(word(rng)))
        query = {name: word(rng) for name in rng.sample(names, rng.randrange(5))}
        headers = {"X-Request-ID": word(rng).replace("\r", "").replace("\n", "")} if rng.random() < 0.2 else {}
        body = damaged(rng, b'{"lat": 51.5, "lon": -0.13, "name": "x", "latitude": 1, "longitude": 2, "tags": ["a"]}')
        kind = rng.choice(("application/json", "text/csv", "application/geo+json", "text/plain"))
        given: dict[str, Any] = {"data": body, "content_type": kind} if method in ("POST", "PATCH", "DELETE") else {}
        with client.open(path, method=method, query_string=query, headers=headers, **given) as answer:
            _ = answer.data
            assert answer.status_code < 500 or answer.status_code in (502, 503, 504), (
                f"{method} {path} {query} {given}: {answer.status}"
            )

    return call


def settings(path: Path) -> Target:
    """The file of settings, with sound values of every kind."""
    sound = (
        b"OWM_API_KEY='0123456789abcdef'\nPORT=8000\nexport METEOROGRAPH_INTERVAL=15m # often\n"
        b"METEOROGRAPH_PROVIDERS=open-meteo\n"
        b'DATABASE_URL="sqlite:///a.db"\nMETEOROGRAPH_API_TOKENS=0123456789abcdef,name:fedcba9876543210\nMETEOROGRAPH_HEALING=true\n'
    )

    def call(rng: random.Random) -> None:
        path.write_bytes(damaged(rng, sound))
        with suppress(MeteorographError):
            load_settings()
        path.unlink()

    return call


@contextmanager
def web_server() -> Iterator[Target]:
    """The socket of the web server: damaged requests, two at once. It must answer the next sound one."""
    heads = [
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /data?limit=1&format=csv HTTP/1.1\r\nHost: localhost:80\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1\r\n\r\n",
        b'POST /ingest HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"lat":9999}',
        (
            b"POST /ingest HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2;a=b\r\n{}\r\n0\r\n\r\n"
        ),
    ]
    with served(create_app()) as address:
        parts = urlsplit(address)

        def call(rng: random.Random) -> None:
            with socket.create_connection((parts.hostname, parts.port), 30) as client:
                with suppress(OSError):  # it may be closed before all is sent
                    client.sendall(damaged(rng, rng.choice(heads)) + rng.choice(heads))
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
            with socket.create_connection((parts.hostname, parts.port), 30) as client:
                client.sendall(b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.0 200"

        yield call
