"""Fetching over real sockets: what providers, networks and proxies do, and what is known of it afterwards."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pyreqwest import exceptions as client_errors

from integration.upstream import PATIENCE, Connection, Upstream, answers, certificate, chunk, response
from meteorograph.collecting import http as fetch_module
from meteorograph.collecting.http import MAX_BODY_BYTES, Fetcher
from meteorograph.errors import ConfigurationError, FetchError, FetchTimeoutError, PermanentFetchError, RetryableFetchError
from meteorograph.model.values import Payload, Request

KEY = "kEy0123456789abcdef"
# More than the buffers of both ends of a loopback connection hold.
FLOOD = 64 * 1024 * 1024
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    if shutil.which("openssl") is None and not os.environ.get("CI"):
        pytest.skip("no openssl command to make a certificate with")
    return certificate(tmp_path_factory.mktemp("authority"))


def to(url: str, **params: str) -> Request:
    return Request("openweathermap", url, params, {"appid": KEY})


def fetcher(timeout: float = PATIENCE, connections: int = 256) -> Fetcher:
    return Fetcher(timeout=timedelta(seconds=timeout), user_agent="Meteorograph/1.2", connections=connections)


def fetch(request: Request, timeout: float = PATIENCE) -> Payload:
    async def once() -> Payload:
        async with fetcher(timeout) as open_fetcher:
            return await open_fetcher.fetch(request)

    return asyncio.run(once())


def failure(request: Request, timeout: float = PATIENCE) -> FetchError:
    """The error that fetching ends in, after a look for the key in all that can be printed of it."""
    with pytest.raises(FetchError) as caught:
        fetch(request, timeout)
    error = caught.value
    assert error.provider == request.provider
    assert KEY not in "".join(printable(error))
    return error


def printable(error: BaseException) -> Iterator[str]:
    yield from traceback.format_exception(error)
    link: BaseException | None = error
    while link is not None:
        yield f"{link} {link!r} {link.args!r} {vars(link)!r}"
        assert link.__cause__ is None
        link = link.__context__
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if frame.f_code.co_filename == fetch_module.__file__]
    assert ours
    yield from (repr(frame.f_locals) for frame in ours)


@pytest.mark.parametrize("status", [200, 204, 304, 401, 404, 429, 500, 503])
def test_any_status_is_a_payload(status: int) -> None:
    body = b"" if status in (204, 304) else b'{"cod": 1}'
    with Upstream(answers(response(status, body))) as upstream:
        request = to(upstream.url + "/data")
        payload = fetch(request)
    assert (payload.request, payload.status, payload.body, payload.retry_after) == (request, status, body, None)
    assert payload.fetched_at.utcoffset() == timedelta(0)


def test_the_request_that_the_provider_sees() -> None:
    with Upstream(answers(response(200, b"{}"))) as upstream:
        fetch(to(upstream.url + "/data/2.5/weather", q="Köln & Umgebung", units="metric"))
    line, *headers = upstream.heads[0].strip().split("\r\n")
    method, target, _ = line.split(" ")
    assert (method, urlsplit(target).path) == ("GET", "/data/2.5/weather")
    assert parse_qs(urlsplit(target).query) == {"q": ["Köln & Umgebung"], "units": ["metric"], "appid": [KEY]}
    sent = dict(header.lower().split(": ", 1) for header in headers)
    assert sent["user-agent"] == "meteorograph/1.2"
    assert sent["accept-encoding"] == "gzip"
    assert not {"referer", "cookie"} & sent.keys()


def test_retry_after_is_kept_as_it_came_with_an_error_only() -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    for status, header, kept in [(429, "120", "120"), (503, date, date), (200, "120", None), (429, "\xff", None)]:
        with Upstream(answers(response(status, b"", Retry_After=header))) as upstream:
            assert fetch(to(upstream.url)).retry_after == kept


def test_connections_are_used_again() -> None:
    async def several(url: str) -> None:
        async with fetcher() as open_fetcher:
            for _ in range(5):
                await open_fetcher.fetch(to(url))

    with Upstream(answers(response(200, b"x" * 2000))) as upstream:
        asyncio.run(several(upstream.url))
    assert (len(upstream.heads), upstream.connections) == (5, 1)


def test_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = failure(to(f"http://127.0.0.1:{port}/"))
    assert type(error) is RetryableFetchError
    assert str(error) == "openweathermap: 127.0.0.1: connection refused"


def test_a_name_that_does_not_resolve() -> None:
    error = failure(to("http://no-such-host.invalid/"))
    assert type(error) is RetryableFetchError
    assert str(error) == "openweathermap: no-such-host.invalid: the name of the host does not resolve"


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Encoding: gzip\r\n\r\nno gzip",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    ],
)
@pytest.mark.parametrize("end", ["close", "reset"])
def test_an_answer_that_breaks_off_or_is_no_http(start: bytes, end: str) -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(start)
        if end == "reset":
            connection.reset()

    with Upstream(script) as upstream:
        error = failure(to(upstream.url))
    assert type(error) is RetryableFetchError
    assert "127.0.0.1" in str(error)


def test_silence_is_a_timeout() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.client_left()

    with Upstream(script) as upstream:
        error = failure(to(upstream.url), timeout=0.2)
        assert upstream.left.acquire(timeout=PATIENCE)
    assert type(error) is FetchTimeoutError
    assert str(error) == "openweathermap: no complete answer from 127.0.0.1 in time"
    assert not error.stood_still


def test_a_timeout_that_comes_late_is_the_fault_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "_LATE_SECONDS", 0.2)

    def script(connection: Connection) -> None:
        connection.head()
        connection.client_left()

    async def stand_still(url: str) -> None:
        async with fetcher(0.2) as open_fetcher:
            call = asyncio.ensure_future(open_fetcher.fetch(to(url)))
            await asyncio.sleep(0.05)
            time.sleep(0.6)  # noqa: ASYNC251  # as a process that is suspended
            await call

    with Upstream(script) as upstream, pytest.raises(FetchTimeoutError) as caught:
        asyncio.run(stand_still(upstream.url))
    assert caught.value.stood_still


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="a full backlog refuses instead of waiting here")
def test_a_connection_that_nobody_accepts_is_a_timeout() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = [socket.socket() for _ in range(4)]
    try:
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        error = failure(to(f"http://127.0.0.1:{listener.getsockname()[1]}/"), timeout=0.2)
    finally:
        for sock in [listener, *fillers]:
            sock.close()
    assert type(error) is FetchTimeoutError


def test_an_answer_that_dribbles_ends_with_the_total_time() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not connection.client_left(within=0.02):
            connection.send(b"x")

    with Upstream(script) as upstream:
        began = time.monotonic()
        error = failure(to(upstream.url), timeout=0.3)
        took = time.monotonic() - began
    assert type(error) is FetchTimeoutError
    assert 0.25 < took < PATIENCE


def test_redirects_share_the_time_of_one_attempt() -> None:
    def script(connection: Connection) -> None:
        while connection.head() and not connection.client_left(within=0.5):
            last = len(connection.upstream.heads) > 2
            connection.send(response(200) if last else response(302, Location="/next"))

    with Upstream(script) as upstream:
        error = failure(to(upstream.url), timeout=0.8)
    assert type(error) is FetchTimeoutError
    assert len(upstream.heads) == 2


def test_waiting_for_a_connection_takes_no_time_from_the_call() -> None:
    def script(connection: Connection) -> None:
        while connection.head() and not connection.client_left(within=0.3):
            connection.send(response(200))

    async def several(url: str) -> list[Payload]:
        async with fetcher(timeout=1.0, connections=1) as open_fetcher:
            return await asyncio.gather(*(open_fetcher.fetch(to(url)) for _ in range(4)))

    with Upstream(script) as upstream:
        payloads = asyncio.run(several(upstream.url))
    assert len(payloads) == 4
    assert upstream.connections == 1


@pytest.mark.parametrize("encoding", ["length", "chunked"])
def test_the_longest_body_is_read_whole(encoding: str) -> None:
    body = os.urandom(MAX_BODY_BYTES)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = response(200, body) if encoding == "length" else head + chunk(body) + chunk(b"")
    with Upstream(answers(answer)) as upstream:
        assert fetch(to(upstream.url)).body == body


def test_a_gzip_body_is_unpacked() -> None:
    with Upstream(answers(response(200, gzip.compress(b"{}" * 500), Content_Encoding="gzip"))) as upstream:
        assert fetch(to(upstream.url)).body == b"{}" * 500


@pytest.mark.parametrize(
    ("headers", "piece"),
    [
        (b"Content-Length: %d" % FLOOD, b"x" * 65536),
        (b"Transfer-Encoding: chunked", chunk(b"x" * 65536)),
        (b"Connection: close", b"x" * 65536),
    ],
)
def test_a_body_too_long_is_given_up_and_not_downloaded(headers: bytes, piece: bytes) -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n")
        connection.send_until_left(piece, at_most=FLOOD)

    with Upstream(script) as upstream:
        error = failure(to(upstream.url))
        assert upstream.left.acquire(timeout=PATIENCE)
    assert type(error) is RetryableFetchError
    assert str(error) == "openweathermap: the answer is longer than 1048576 bytes"
    assert error.status == 200
    assert upstream.sent < FLOOD


def test_one_byte_too_many() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Upstream(answers(head + chunk(b"x" * MAX_BODY_BYTES) + chunk(b"x") + chunk(b""))) as upstream:
        assert type(failure(to(upstream.url))) is RetryableFetchError


def test_a_gzip_bomb_is_counted_as_it_unpacks() -> None:
    bomb = gzip.compress(b"\0" * FLOOD)
    assert len(bomb) < MAX_BODY_BYTES
    with Upstream(answers(response(200, bomb, Content_Encoding="gzip"))) as upstream:
        assert type(failure(to(upstream.url))) is RetryableFetchError


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed(status: int) -> None:
    moved = response(status, b"moved", Location="/new?units=metric")
    with Upstream(answers(moved, response(200, b"{}"))) as upstream:
        payload = fetch(to(upstream.url + "/old"))
    assert (payload.status, payload.body) == (200, b"{}")
    assert upstream.heads[1].startswith("GET /new?units=metric HTTP/1.1")


def test_a_redirect_status_without_a_place_is_a_payload() -> None:
    with Upstream(answers(response(302, b"where?"))) as upstream:
        assert fetch(to(upstream.url)).body == b"where?"


@pytest.mark.parametrize(
    ("location", "named"),
    [
        (f"http://localhost:{{port}}/?appid={KEY}", "localhost"),
        (f"//elsewhere.invalid/?appid={KEY}", "elsewhere.invalid"),
        ("http://127.0.0.1:1/", "127.0.0.1"),
        (f"http://{KEY}@elsewhere.invalid/", "elsewhere.invalid"),
        ("ftp://127.0.0.1:{port}/", "127.0.0.1"),
        ("mailto:somebody@example.com", "None"),
        ("http://[::/", "no URL"),
        ("/\xe4", "no URL"),
    ],
)
def test_a_redirect_elsewhere_is_refused(location: str, named: str) -> None:
    def script(connection: Connection) -> None:
        place = location.format(port=connection.upstream.port).encode("latin-1")
        connection.head()
        connection.send(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + place + b"\r\n\r\n")

    with Upstream(script) as upstream:
        error = failure(to(upstream.url))
    assert type(error) is PermanentFetchError
    assert named in str(error)
    assert len(upstream.heads) == 1


def test_redirects_in_a_circle_end() -> None:
    with Upstream(answers(response(302, Location="/again"))) as upstream:
        error = failure(to(upstream.url))
    assert type(error) is PermanentFetchError
    assert len(upstream.heads) == 4


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "no url at all", "http://"])
def test_an_address_that_is_not_http(url: str) -> None:
    assert type(failure(to(url))) is PermanentFetchError


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Upstream(answers(response(200, b"by proxy"))) as proxy:
        monkeypatch.setenv(variable, f"http://user:word@127.0.0.1:{proxy.port}")
        assert fetch(to("http://api.example.com/data")).body == b"by proxy"
    assert proxy.heads[0].startswith(f"GET http://api.example.com/data?appid={KEY} HTTP/1.1")
    assert "proxy-authorization: Basic dXNlcjp3b3Jk" in proxy.heads[0].replace("Proxy-Auth", "proxy-auth")


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_hosts_that_need_no_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Upstream(answers(response(200, b"by proxy"))) as proxy, Upstream(answers(response(200, b"direct"))) as direct:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(variable, "example.org,127.0.0.1")
        assert fetch(to(direct.url)).body == b"direct"
    assert proxy.connections == 0


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_tunnel_through_a_proxy(variable: str, monkeypatch: pytest.MonkeyPatch, authority: tuple[Path, ssl.SSLContext]) -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        connection.become_tls(authority[1])
        answers(response(200, b"tunnelled"))(connection)

    with Upstream(script) as proxy:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
        assert fetch(to("https://localhost:4433/data")).body == b"tunnelled"
    assert proxy.heads[0].startswith("CONNECT localhost:4433 HTTP/1.1")
    assert KEY not in proxy.heads[0]


def test_a_proxy_that_opens_no_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with Upstream(answers(response(407))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        error = failure(to("https://api.example.com/"))
    assert type(error) is RetryableFetchError
    assert str(error) == "openweathermap: api.example.com: the proxy opened no tunnel"


def test_tls_with_an_authority_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, authority: tuple[Path, ssl.SSLContext]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    with Upstream(answers(response(200, b"{}")), tls=authority[1]) as upstream:
        assert fetch(to(upstream.url)).body == b"{}"


def test_tls_of_an_unknown_authority_is_refused(authority: tuple[Path, ssl.SSLContext]) -> None:
    with Upstream(answers(response(200, b"{}")), tls=authority[1]) as upstream:
        error = failure(to(upstream.url))
    assert type(error) is PermanentFetchError
    assert str(error) == "openweathermap: the certificate of 127.0.0.1 is not trusted"
    assert upstream.heads == []


def test_tls_for_another_name_is_refused(monkeypatch: pytest.MonkeyPatch, authority: tuple[Path, ssl.SSLContext]) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    with Upstream(answers(response(200, b"{}")), tls=authority[1], address="127.0.0.2") as upstream:
        error = failure(to(upstream.url))
        assert type(error) is PermanentFetchError
    assert upstream.heads == []


def test_a_server_that_speaks_no_tls() -> None:
    def script(connection: Connection) -> None:
        connection.sock.recv(1)
        connection.send(response(400))

    with Upstream(script) as upstream:
        assert type(failure(to(upstream.url.replace("http:", "https:")))) is RetryableFetchError


def test_a_redirect_up_to_tls_is_followed_and_one_down_is_refused(
    monkeypatch: pytest.MonkeyPatch, authority: tuple[Path, ssl.SSLContext]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    with Upstream(answers(response(200, b"{}")), tls=authority[1]) as secure:
        with Upstream(answers(response(301, Location=secure.url))) as plain:
            assert fetch(to(plain.url)).body == b"{}"
        downward = answers(response(301, Location=f"http://127.0.0.1:{secure.port}/"))
        with Upstream(downward, tls=authority[1]) as fickle:
            assert type(failure(to(fickle.url))) is PermanentFetchError


def test_certificates_that_cannot_be_read_stop_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        fetcher()


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000])
def test_cancelling_ends_the_calls_at_once_and_leaks_no_connection(begun: bytes) -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(begun)
        connection.client_left()

    async def cancel(upstream: Upstream) -> None:
        async with fetcher(timeout=PATIENCE * 0.8) as open_fetcher:
            tasks = [asyncio.create_task(open_fetcher.fetch(to(upstream.url))) for _ in range(16)]
            for _ in tasks:
                assert await asyncio.to_thread(upstream.asked.acquire, True, PATIENCE)
            began = time.monotonic()
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert time.monotonic() - began < PATIENCE * 0.75, "the timeout of the calls would end them later"
            assert {type(error) for error in ended} == {asyncio.CancelledError}
            # The client may let go of a connection without closing it; the timeout of the call does it then.
            for _ in tasks:
                assert await asyncio.to_thread(upstream.left.acquire, True, PATIENCE)
            assert time.monotonic() - began < PATIENCE

    with Upstream(script) as upstream:
        asyncio.run(cancel(upstream))


def test_a_cancelled_call_gives_its_place_back() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        if len(connection.upstream.heads) == 1:
            connection.upstream.left.acquire(timeout=PATIENCE)
        else:
            connection.send(response(200, b"{}"))

    async def cancel(upstream: Upstream) -> Payload:
        async with fetcher(connections=1) as open_fetcher:
            task = asyncio.create_task(open_fetcher.fetch(to(upstream.url)))
            assert await asyncio.to_thread(upstream.asked.acquire, True, PATIENCE)
            task.cancel()
            await asyncio.wait([task])
            payload = await open_fetcher.fetch(to(upstream.url))
            upstream.left.release()
            return payload

    with Upstream(script) as upstream:
        assert asyncio.run(cancel(upstream)).body == b"{}"


def test_two_fetchers_in_two_threads() -> None:
    payloads: list[Payload] = []

    async def many(url: str) -> None:
        async with fetcher() as open_fetcher:
            payloads.extend(await asyncio.gather(*(open_fetcher.fetch(to(url)) for _ in range(50))))

    with Upstream(answers(response(200, b"{}"))) as upstream:
        threads = [threading.Thread(target=lambda: asyncio.run(many(upstream.url))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert [payload.body for payload in payloads] == [b"{}"] * 100


def test_a_closed_fetcher_says_so() -> None:
    async def late(url: str) -> None:
        async with fetcher() as open_fetcher:
            pass
        await open_fetcher.fetch(to(url))

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(late("http://127.0.0.1/"))


def test_a_process_that_ends_right_after_its_fetch_ends_well(authority: tuple[Path, ssl.SSLContext]) -> None:
    # Of the ways to end, a refused certificate meets the thread of the client most often.
    program = """if True:
        import asyncio, sys
        from datetime import timedelta
        from meteorograph.errors import PermanentFetchError
        from meteorograph.collecting.http import Fetcher
        from meteorograph.model.values import Request

        async def main():
            async with Fetcher(timeout=timedelta(seconds=10), user_agent="Meteorograph") as fetcher:
                try:
                    await fetcher.fetch(Request("openweathermap", sys.argv[1], {}, {}))
                except PermanentFetchError:
                    pass
            await asyncio.sleep(0)

        asyncio.run(main())
    """
    with Upstream(answers(response(200)), tls=authority[1]) as upstream:
        for _ in range(8):
            subprocess.run([sys.executable, "-c", program, upstream.url], check=True, timeout=60)


CLIENT_ERRORS = [
    kind for _, kind in inspect.getmembers(client_errors, inspect.isclass) if issubclass(kind, client_errors.PyreqwestError)
]


@pytest.mark.parametrize("kind", CLIENT_ERRORS)
def test_every_error_of_the_client_is_one_of_ours(kind: type[client_errors.PyreqwestError]) -> None:
    causes = [{"message": f"error sending request for url (http://127.0.0.1/?appid={KEY})"}]
    details = {"causes": causes, "status": 500, "doc": KEY, "pos": 0}
    detailed = issubclass(kind, client_errors.DetailedPyreqwestError)
    raised = kind(f"failed: {KEY}", details) if detailed else kind(f"failed: {KEY}")
    error = fetch_module._to_our_error(raised, to("http://127.0.0.1/"))
    assert isinstance(error, FetchError)
    assert isinstance(error, FetchTimeoutError) is isinstance(raised, TimeoutError)
    assert KEY not in f"{error} {error!r}"
    assert len(CLIENT_ERRORS) > 15
