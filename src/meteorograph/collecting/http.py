"""Stop 4, fetch: a request → the payload a provider answered with; one attempt. The only module that speaks HTTP."""

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

#: Longest body that is read [bytes after decompression]; a weather answer has a few thousand.
MAX_BODY_BYTES: Final = 1024 * 1024
#: Longest wait for a connection, TLS included.
MAX_CONNECT_TIME: Final = timedelta(seconds=5)
#: Redirects that are followed within one attempt.
MAX_REDIRECTS: Final = 3

_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
# Also how far the client reads ahead, so that a body of ordinary size costs one read.
_READ_BYTES: Final = 64 * 1024
# Ten times what was ever needed [s].
_LETTING_GO: Final = 0.01

# Words in the client's messages → what we say. The messages themselves carry the URL with the key and go nowhere.
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


class Fetcher:
    """An HTTP client of one run: use it as an async context manager, on one event loop.

    Proxies come from ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``, trusted certificates from the system or from
    ``SSL_CERT_FILE``; both are read when the fetcher is made.

    Args:
        timeout: Longest duration of one attempt, redirects and body included, and of any silence within it.
        user_agent: The ``User-Agent`` that providers see.
        connections: Attempts in flight at most; further calls wait, and their time starts when the wait is over.

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
        client, self._client = self._client, None  # idle connections stay open for as long as the client is referred to
        if client is not None:
            await client.close()
            # The client's thread may still hold on to its last call into Python; were the interpreter to end before it
            # has let go, the process would abort (pyreqwest 0.15, CPython 3.11).
            await asyncio.sleep(_LETTING_GO)

    async def fetch(self, request: Request) -> Payload:
        """What the provider answered, whatever its status: reading an error out of a body is its parser's part.

        A cancelled call ends at once. The client lets go of a request that has no answer yet instead of closing it, so
        that its connection may stay open until the timeout of the call.

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
        # The client drops a cancellation that comes together with its answer or error.
        if task.cancelling() > cancels:
            raise asyncio.CancelledError
        # Raised here and not where it is noticed: neither the chain nor the frames of the traceback see the key.
        if isinstance(outcome, FetchError):
            raise outcome
        return outcome

    async def _attempt(self, request: Request, task: asyncio.Task[Any], cancels: int) -> Payload | FetchError:
        # Known to this frame only: an error that is kept would keep those of its traceback, and so the connections.
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
                    if response.status not in _REDIRECT_STATUSES:
                        return await _payload(request, response)
                    location = response.get_header("location")
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
            return _translated(error, request)
        except ValueError:
            return PermanentFetchError(request.provider, "the address, or the one it redirects to, is no URL")
        return PermanentFetchError(request.provider, f"{_host(request)} redirects more than {MAX_REDIRECTS} times")


def _address(request: Request) -> str:
    """The URL with the key in it: made here, because the client takes three times as long to encode a query."""
    query = {**request.params, **request.secrets}
    if not _is_plain("".join((*query, *query.values()))):  # one look at all of them: most need nothing done
        query = {quote(name, ""): quote(value, "") for name, value in query.items()}
    return f"{request.url}?{'&'.join([f'{name}={value}' for name, value in query.items()])}" if query else request.url


_is_plain: Final = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def _client(timeout: timedelta, user_agent: str, connections: int) -> Client:
    # Without `max_connections`: the wait in its queue counts against the time of the call that waits.
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
    if body is None:
        return RetryableFetchError(request.provider, f"the answer is longer than {MAX_BODY_BYTES} bytes", status=response.status)
    retry_after = _header(response, "retry-after") if response.status >= 400 else None
    expires, last_modified = _header(response, "expires"), _header(response, "last-modified")
    return Payload(request, response.status, body, clock.now(), retry_after, expires, last_modified)


async def _body(reader: ResponseBodyReader) -> bytes | None:
    """The whole body, or None as soon as it is longer than it may be."""
    body = b""
    while (part := await reader.read(_READ_BYTES)) is not None:
        body += part.to_bytes()
        if len(body) > MAX_BODY_BYTES:
            return None
        if len(part) < _READ_BYTES:  # a short read is the end of the body
            break
    return body


def _header(response: Response, name: str) -> str | None:
    try:
        return response.get_header(name)
    except ValueError:  # not ASCII, so neither a number nor a date
        return None


def _translated(error: PyreqwestError, request: Request) -> FetchError:
    """Our error for the client's, in words of our own."""
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
    for words, reason in _REASONS:
        if words in said:
            return RetryableFetchError(request.provider, f"{host}: {reason}")
    reason = "the answer is not HTTP, or damaged" if isinstance(error, DecodeError) else "the exchange broke off"
    return RetryableFetchError(request.provider, f"{host}: {reason} ({type(error).__name__})")


def make_fetcher(settings: Settings, connections: int) -> Fetcher:
    """The HTTP client that the settings describe."""
    timeout = timedelta(seconds=settings.http_timeout_seconds)
    return Fetcher(timeout=timeout, user_agent=settings.user_agent, connections=connections)
