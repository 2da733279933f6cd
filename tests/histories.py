"""A provider's history on a socket, for tests that say what it has: each call gives a page of hours."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from meteorograph.config import provider_settings
from meteorograph.errors import AccountError, FetchError, PayloadError, PermanentFetchError, RetryableFetchError
from meteorograph.model.values import Observation, Payload, Request, RequestPoint
from meteorograph.providers.base import History, Page
from meteorograph.providers.registry import PROVIDERS

HOUR = timedelta(hours=1)

#: What is true at a place and a time, by quantity.
Truth = Callable[[float, float, datetime], dict[str, float | str | None]]


class Archive:
    """The server: it has every hour but those of ``without``, and answers ``status`` where that is not 200."""

    def __init__(self, truth: Truth, page: int = 24) -> None:
        self.truth = truth
        self.page = page
        self.without: set[datetime] = set()
        self.status = 200
        #: Status of answers about a stretch that holds an hour.
        self.refused: dict[datetime, int] = {}
        #: Latitude, first and last hour of each call.
        self.calls: list[tuple[float, datetime, datetime]] = []
        self.before_answer: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self.url = ""

    def answer(self, query: dict[str, str]) -> tuple[int, bytes]:
        """Status and body."""
        latitude, longitude = float(query["lat"]), float(query["lon"])
        start, end = (datetime.fromtimestamp(int(query[name]), UTC) for name in ("start", "end"))
        with self._lock:
            self.calls.append((latitude, start, end))
        self.before_answer()
        hours = [start + number * HOUR for number in range((end - start) // HOUR + 1)]
        statuses = [self.refused[hour] for hour in hours if hour in self.refused]
        if self.status != 200 or statuses:
            return statuses[0] if self.status == 200 else self.status, b"{}"
        told = [
            {"at": hour.timestamp(), **self.truth(latitude, longitude, hour)}
            for hour in hours[: self.page]
            if hour not in self.without
        ]
        following = hours[self.page].timestamp() if len(hours) > self.page else None
        return 200, json.dumps({"hours": told, "next": following}).encode()

    @contextmanager
    def served(self) -> Iterator[None]:
        """Listen while the block runs."""
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = archive.answer(dict(parse_qsl(urlsplit(self.path).query)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def history(archive: Archive, provider: str, account: str, **how: object) -> History:
    """The history that an archive is."""

    def request(_base_url: str, point: RequestPoint, start: datetime, end: datetime, key: str) -> Request:
        params = {"lat": repr(point.latitude), "lon": repr(point.longitude)}
        params |= {"start": str(int(start.timestamp())), "end": str(int(end.timestamp()))}
        return Request(provider, f"{archive.url}/history", params, {"key": key} if key else {})

    def parse(payload: Payload) -> Page:
        if payload.status != 200:
            raise _error(provider, payload)
        body = json.loads(payload.body)
        following = body["next"]
        names = set(Observation.__struct_fields__)
        found = [
            Observation(
                provider=provider,
                fetched_at=payload.fetched_at,
                observed_at=datetime.fromtimestamp(hour["at"], UTC),
                **{name: value for name, value in hour.items() if name in names},
            )
            for hour in body["hours"]
        ]
        return Page(found, None if following is None else datetime.fromtimestamp(following, UTC))

    def cost(start: datetime, end: datetime) -> int:
        return (end - start) // HOUR // archive.page + 1

    made: dict[str, object] = {"account": account, "request": request, "parse": parse, "cost": cost, "span": 7 * 24 * HOUR}
    return History(**{**made, **how})  # type: ignore[arg-type]


def _error(provider: str, payload: Payload) -> FetchError | PayloadError:
    status = payload.status
    if status >= 500:
        return RetryableFetchError(provider, f"HTTP {status}", status=status)
    if status == 401:
        return AccountError(provider, "not of this plan", key_state="plan_missing", status=status)
    if status == 422:
        return PayloadError(provider, "not understood", payload.body)
    return PermanentFetchError(provider, f"HTTP {status}", status=status)


def give(monkeypatch: pytest.MonkeyPatch, provider: str, *histories: History) -> None:
    """Let a provider of the registry have these histories; an account of their own has the windows of the provider."""
    known = PROVIDERS[provider]
    monkeypatch.setitem(PROVIDERS, provider, replace(known, history=histories))
    for one in histories:
        monkeypatch.setitem(provider_settings.ACCOUNTS, one.account, (known.setting, known.windows, known.quota_zone))
