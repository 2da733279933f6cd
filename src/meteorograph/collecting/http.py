"""Fetch one request, in one attempt. Stop 4 of the walk: takes a request, gives a payload. The only module that speaks HTTP."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import (
    BuilderError,
    DecodeError,
    DetailedPyreqwestError,
    PyreqwestError,
    RequestTimeoutError,
)
from pyreqwest.http import Url
from pyreqwest.response import Response, ResponseBodyReader

from ..config.settings import Settings
from ..errors import ConfigurationError, FetchError, FetchTimeoutError, PermanentFetchError, RetryableFetchError
from ..model import clock
from ..model.values import Payload, Request

#: Longest body that is read [bytes after decompression]; a weather answer has a few thousand bytes.
MAX_BODY_BYTES: Final = 1024 * 1024
#: Longest wait for a connection, including TLS.
MAX_CONNECT_TIME: Final = timedelta(seconds=5)
#: Redirects that one attempt follows.
MAX_REDIRECTS: Final = 3

_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
# The client also reads this much ahead, so that a body of ordinary size needs one read.
_READ_BYTES: Final = 64 * 1024
# Ten times the longest time that was measured [s].
_CLIENT_RELEASE_SECONDS: Final = 0.01

# Words in the client's messages → our reason. The messages contain the URL with the key, so they are never passed on.
_REASONS: Final = (
    ("dns error", "the name of the host does not resolve"),
    ("tunnel", "the proxy opened no tunnel"),
    ("refused", "connection refused"),
    ("reset by peer", "connection reset"),
    ("unreachable", "the network does not reach it"),
    ("closed before message", "connection closed before the answer was complete"),
    ("end of file", "connection closed before the answer was complete"),
    ("unexpected eof", "connection closed before the answer was complete"),
    ("corrupt message", "TLS handshake failed"),
    ("received fatal alert", "TLS handshake failed"),
    ("handshake", "TLS handshake failed"),
)

# Words in the client's messages, beside "(connect)", for which there was no connection on which a call could have been sent.
_NOT_CONNECTED: Final = ("dns error", "tcp connect error")


#: An attempt that ends so long after its timeout ended late because this process did not run [s].
_LATE_SECONDS: Final = 5.0


class Fetcher:
    """An HTTP client of one run: use it as an async context manager, on one event loop.

    Proxies come from ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``, trusted certificates from the system or from
    ``SSL_CERT_FILE``; both are read when the fetcher is made.

    Args:
        timeout: Longest duration of one attempt, redirects and body included, and of any silence within it.
        user_agent: The ``User-Agent`` that providers see.
        connections: Attempts in progress at most; further calls wait, and their timeout starts after the wait.

    Raises:
        ConfigurationError: The trusted certificates cannot be used.
    """

    def __init__(self, *, timeout: timedelta, user_agent: str, connections: int = 256) -> None:
        self._timeout = timeout
        self._places = asyncio.Semaphore(connections)
        self._client: Client | None = _client(timeout, user_agent, connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        client, self._client = self._client, None  # idle connections stay open as long as a reference to the client exists
        if client is not None:
            await client.close()
            # The thread of the client may still be in its last call into Python. If the interpreter ended before that call
            # returns, the process would abort (pyreqwest 0.15, CPython 3.11).
            await asyncio.sleep(_CLIENT_RELEASE_SECONDS)

    async def fetch(self, request: Request) -> Payload:
        """Fetch the answer of the provider, whatever its status: the parser reads an error out of a body.

        A cancelled call ends at once. The client does not close a request that has no answer yet, so its connection may
        stay open until the timeout of the call.

        Raises:
            FetchTimeoutError: No complete answer in time.
            RetryableFetchError: No answer, or one longer than ``MAX_BODY_BYTES``.
            PermanentFetchError: A redirect that must not be followed, or a certificate that is not trusted.
        """
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        cancels = task.cancelling()
        async with self._places:
            outcome = await self._attempt(request, task, cancels)
        # The client loses a cancellation that arrives together with its answer or error.
        if task.cancelling() > cancels:
            raise asyncio.CancelledError
        # Raised here and not where it occurs, so that the key is in neither the chain nor the frames of the traceback.
        if isinstance(outcome, FetchError):
            raise outcome
        return outcome

    async def _attempt(self, request: Request, task: asyncio.Task[Any], cancels: int) -> Payload | FetchError:
        # In this frame only: a stored error would keep the frames of its traceback, and so the connections.
        client = self._client
        if client is None:
            raise RuntimeError("the fetcher is closed")
        began = time.monotonic()
        try:
            call = client.get(_address(request))
            for name, value in request.headers.items():
                call = call.header(name, value)
            url = None
            for _ in range(MAX_REDIRECTS + 1):
                async with call.build_streamed() as response:
                    if task.cancelling() > cancels:  # dropped, as in `fetch`; do not wait for the body then
                        raise asyncio.CancelledError
                    is_redirect = response.status in _REDIRECT_STATUSES
                    location = response.get_header("location") if is_redirect else None
                    if location is None:
                        return await _payload(request, response)
                url = url or Url(request.url)
                target = url.join(location)
                if not _may_follow(url, target):
                    return PermanentFetchError(request.provider, f"{url.host_str} redirects to {target.host_str}")
                url = target
                left = max(timedelta(0), self._timeout - timedelta(seconds=time.monotonic() - began))
                call = client.get(url).timeout(left)
        except PyreqwestError as error:
            ours = _to_our_error(error, request, is_first=url is None)
            if isinstance(ours, RetryableFetchError):
                ours.stood_still = time.monotonic() - began > self._timeout.total_seconds() + _LATE_SECONDS
            return ours
        except ValueError:
            return PermanentFetchError(request.provider, "the address, or the one it redirects to, is no URL")
        return PermanentFetchError(request.provider, f"{_host(request)} redirects more than {MAX_REDIRECTS} times")


def _address(request: Request) -> str:
    """The URL with the key in it, built here because the client needs three times as long to encode a query."""
    query = {**request.params, **request.secrets}
    if not _is_plain("".join((*query, *query.values()))):  # one test for all of them: most need no quoting
        query = {quote(name, ""): quote(value, "") for name, value in query.items()}
    return f"{request.url}?{'&'.join([f'{name}={value}' for name, value in query.items()])}" if query else request.url


_is_plain: Final = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def _client(timeout: timedelta, user_agent: str, connections: int) -> Client:
    # Without `max_connections`: a wait in the client's queue would count against the timeout of the call.
    try:
        return (
            ClientBuilder()
            .timeout(timeout)
            .read_timeout(timeout)
            .connect_timeout(min(timeout, MAX_CONNECT_TIME))
            .pool_max_idle_per_host(connections)
            .user_agent(user_agent)
            .follow_redirects(False)
            .referer(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .build()
        )
    except (PyreqwestError, ValueError):
        reason = "the HTTP client cannot start: check SSL_CERT_FILE, the system's certificates and the User-Agent"
    raise ConfigurationError(reason)


def _host(request: Request) -> str | None:
    return Url(request.url).host_str


def _may_follow(url: Url, target: Url) -> bool:
    if target.host_str != url.host_str:
        return False
    if (url.scheme, target.scheme) == ("http", "https"):
        return True
    return target.scheme == url.scheme and target.port_or_known_default == url.port_or_known_default


async def _payload(request: Request, response: Response) -> Payload | FetchError:
    announced = response.get_header("content-length")
    too_long = announced is not None and int(announced) > MAX_BODY_BYTES
    body = None if too_long else await _body(response.body_reader)
    status = response.status
    if body is None:
        return RetryableFetchError(request.provider, f"the answer is longer than {MAX_BODY_BYTES} bytes", status=status)
    retry_after = _header(response, "retry-after") if status >= 400 else None
    expires, last_modified = _header(response, "expires"), _header(response, "last-modified")
    return Payload(request, status, body, clock.now(), retry_after, expires, last_modified, _header(response, "date"))


async def _body(reader: ResponseBodyReader) -> bytes | None:
    """The whole body; None as soon as it is longer than allowed."""
    body = b""
    while (part := await reader.read(_READ_BYTES)) is not None:
        read = part.to_bytes()
        body = body + read if body else read
        if len(read) < _READ_BYTES:  # a short read ends the body
            break
        if len(body) > MAX_BODY_BYTES:
            return None
    return body if len(body) <= MAX_BODY_BYTES else None


def _header(response: Response, name: str) -> str | None:
    try:
        return response.get_header(name)
    except ValueError:  # not ASCII, so neither a number nor a date
        return None


def _to_our_error(error: PyreqwestError, request: Request, *, is_first: bool = True) -> FetchError:
    """The error of ours that corresponds to the client's, with a reason of ours; ``is_first``: before any redirect."""
    host = _host(request)
    causes = error.details["causes"] if isinstance(error, DetailedPyreqwestError) else None
    said = " / ".join(cause["message"] for cause in causes or ()).lower()
    if isinstance(error, RequestTimeoutError):
        missing = "connection" if "(connect)" in said else "complete answer"
        return FetchTimeoutError(request.provider, f"no {missing} from {host} in time")
    if "invalid peer certificate" in said:
        return PermanentFetchError(request.provider, f"the certificate of {host} is not trusted")
    if isinstance(error, BuilderError):
        return PermanentFetchError(request.provider, f"no request can be made for {host}: is its address HTTP?")
    reason = next((reason for words, reason in _REASONS if words in said), None)
    if reason is None:
        text = "the answer is not HTTP, or damaged" if isinstance(error, DecodeError) else "the exchange broke off"
        reason = f"{text} ({type(error).__name__})"
    ours = RetryableFetchError(request.provider, f"{host}: {reason}")
    ours.was_sent = not (is_first and "(connect)" in said and any(words in said for words in _NOT_CONNECTED))
    return ours


def make_fetcher(settings: Settings, connections: int) -> Fetcher:
    """The HTTP client that the settings describe."""
    timeout = timedelta(seconds=settings.http_timeout_seconds)
    return Fetcher(timeout=timeout, user_agent=settings.user_agent, connections=connections)
