"""The same fetcher on aiohttp, with the guarantees of ``meteorograph.collecting.http``, to compare the two."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from meteorograph.collecting.http import MAX_BODY_BYTES, MAX_CONNECT_TIME, MAX_REDIRECTS
from meteorograph.errors import FetchError, FetchTimeoutError, PermanentFetchError, RetryableFetchError
from meteorograph.model import clock
from meteorograph.model.values import Payload, Request


class AiohttpFetcher:
    """Bounded body and redirects, the same timeouts, every error one of ours and free of the key."""

    def __init__(self, *, timeout: timedelta, user_agent: str, connections: int = 256) -> None:
        self._timeout = timeout
        self._user_agent = user_agent
        self._connections = connections
        self._places = asyncio.Semaphore(connections)

    async def __aenter__(self) -> Self:
        seconds = self._timeout.total_seconds()
        connect = min(self._timeout, MAX_CONNECT_TIME).total_seconds()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=connect, sock_read=seconds),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "gzip"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch(self, request: Request) -> Payload:
        """As ``meteorograph.collecting.http.Fetcher.fetch``."""
        async with self._places:
            outcome = await self._attempt(request)
        if isinstance(outcome, FetchError):
            raise outcome
        return outcome

    async def _attempt(self, request: Request) -> Payload | FetchError:
        url = URL(request.url).with_query(request.params | request.secrets)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                async with self._session.get(url, allow_redirects=False) as response:
                    location = response.headers.get("Location") if 301 <= response.status <= 308 else None
                    if location is None:
                        return await self._payload(request, response)
                target = url.join(URL(location))
                if target.origin() != url.origin():
                    return PermanentFetchError(request.provider, f"{url.host} redirects to {target.host}")
                url = target
        except TimeoutError:
            return FetchTimeoutError(request.provider, f"no complete answer from {url.host} in time")
        except aiohttp.ClientConnectorCertificateError:
            return PermanentFetchError(request.provider, f"the certificate of {url.host} is not trusted")
        except (aiohttp.ClientError, ssl.SSLError, ValueError) as error:
            return RetryableFetchError(request.provider, f"{url.host}: {type(error).__name__}")
        return PermanentFetchError(request.provider, f"{url.host} redirects more than {MAX_REDIRECTS} times")

    @staticmethod
    async def _payload(request: Request, response: aiohttp.ClientResponse) -> Payload | FetchError:
        too_long = RetryableFetchError(request.provider, f"the answer is longer than {MAX_BODY_BYTES} bytes")
        if (response.content_length or 0) > MAX_BODY_BYTES:
            return too_long
        body = b""
        while part := await response.content.readany():
            body += part
            if len(body) > MAX_BODY_BYTES:
                response.close()
                return too_long
        retry_after = response.headers.get("Retry-After") if response.status >= 400 else None
        return Payload(request, response.status, body, clock.now(), retry_after)
