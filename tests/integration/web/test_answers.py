"""What every answer has in common: ids, headers, problem documents, and nothing of the program's inside."""

from __future__ import annotations

import http.client
import json
import re
import socket
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from meteorograph import create_app
from meteorograph.config.settings import MAX_BODY_BYTES
from meteorograph.errors import FetchError, FetchTimeoutError
from meteorograph.reading import overview
from meteorograph.simulator import Simulator
from support import KEY, NOON, RAIN_KEY, served

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

PATHS = ("/", "/ingest", "/data", "/data/latest", "/health", "/livez", "/api/version")
MADE = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def app(collecting: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Flask:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    monkeypatch.setenv("METEOROGRAPH_LOG_FILE", str(tmp_path / "log"))
    monkeypatch.setenv("LOG_FORMAT", "json")
    return create_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def _ask(url: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, body, {"Connection": "close", **(headers or {})}, encode_chunked=True)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("told", ["a", "0123456789abcdef", "a.b_c:d-E", "x" * 64])
def test_a_sane_id_is_taken_over_into_answer_header_and_log(client: FlaskClient, tmp_path: Path, told: str) -> None:
    response = client.post("/ingest", json={}, headers={"X-Request-ID": told})
    assert response.headers["X-Request-ID"] == response.get_json()["request_id"] == told
    lines = [line for line in _lines(tmp_path) if line["event"] in ("stored", "request")]
    assert [line["request_id"] for line in lines] == [told, told]


@pytest.mark.parametrize("told", ["", " ", "x" * 65, "a b", "a\tb", "é", "\xff", "a;b", "<b>", '"', "a\n", "${jndi}", "../x"])
def test_any_other_id_is_replaced(app: Flask, tmp_path: Path, told: str) -> None:
    environment = {"HTTP_X_REQUEST_ID": told}  # as a server hands it on; the client of a test would refuse some of them
    response = app.test_client().get("/nowhere", environ_overrides=environment)
    assert MADE.fullmatch(response.headers["X-Request-ID"])
    assert response.get_json()["request_id"] == response.headers["X-Request-ID"] == _lines(tmp_path)[-1]["request_id"]


def test_ids_that_are_made_differ(client: FlaskClient) -> None:
    assert len({client.get("/livez").headers["X-Request-ID"] for _ in range(20)}) == 20


def test_no_header_can_be_injected(app: Flask) -> None:
    with served(app) as url, socket.create_connection(tuple(urlsplit(url).netloc.split(":"))) as raw:  # type: ignore[arg-type]
        raw.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\r\n Set-Cookie: b=c\r\nConnection: close\r\n\r\n")
        head = b"".join(iter(lambda: raw.recv(4096), b"")).partition(b"\r\n\r\n")[0].decode()
    assert "Set-Cookie" not in head
    assert re.search(r"(?mi)^X-Request-ID: [0-9a-f]{32}\r?$", head)


@pytest.mark.parametrize("path", [*PATHS, "/static/style.css", "/nowhere", "/data?limit=0"])
def test_every_answer_has_the_headers_that_protect_its_reader(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        assert response.headers["X-Request-ID"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("path", PATHS)
def test_no_page_of_another_site_may_read_an_answer(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Origin": "https://example.org"})
    preflight = client.options(path, headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"})
    assert not [name for name in (*response.headers.keys(), *preflight.headers.keys()) if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nowhere", 404, None),
        ("GET", "/ingest/", 404, None),
        ("GET", "/data/", 404, None),
        ("GET", "/static/../app.py", 404, None),
        ("GET", "/static/%2e%2e/app.py", 404, None),
        ("GET", "/%00", 404, None),
        ("DELETE", "/nowhere", 404, None),
        ("POST", "/data", 405, {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/ingest", 405, {"GET", "HEAD", "OPTIONS", "POST"}),
        ("PUT", "/health", 405, {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/", 405, {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_what_is_not_there_is_a_problem_document(
    client: FlaskClient, method: str, path: str, status: int, allow: set[str] | None
) -> None:
    response = client.open(path, method=method)
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    body = response.get_json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"] == {404: "Not Found", 405: "Method Not Allowed"}[status]
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert allow is None or set(response.headers["Allow"].split(", ")) == allow


def test_head_has_the_head_of_get_and_no_body(app: Flask) -> None:
    with served(app) as url:
        for path in (*PATHS, "/nowhere"):
            got, headed = (_ask(url, method, path, headers={"X-Request-ID": "same"}) for method in ("GET", "HEAD"))
            assert (headed.status, headed.body) == (got.status, b""), path
            assert headed.headers["Content-Type"] == got.headers["Content-Type"]
            assert len(got.body) > 20
        assert _ask(url, "HEAD", "/ingest").status == 200


def test_a_body_over_the_limit_over_a_socket(app: Flask, collecting: Simulator) -> None:
    chunks = (b" " * 1024 for _ in range(MAX_BODY_BYTES // 1024 + 1))
    with served(app) as url:
        kind = {"Content-Type": "application/json"}
        for body in (b" " * (MAX_BODY_BYTES + 1), chunks):
            answer = _ask(url, "POST", "/ingest", body, kind)
            assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
            assert json.loads(answer.body)["title"] == "Request Entity Too Large"
    assert collecting.count() == 0


@pytest.mark.parametrize("wanted", ["application/json", "image/png"])
def test_the_page_is_html_only(client: FlaskClient, wanted: str) -> None:
    response = client.get("/", headers={"Accept": wanted})
    assert (response.status_code, response.content_type) == (406, "application/problem+json")
    assert "/data/latest" in response.get_json()["detail"]


@pytest.mark.parametrize("wanted", [None, "", "*/*", "text/html", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_who_does_not_mind_gets_the_page(client: FlaskClient, wanted: str | None) -> None:
    response = client.get("/", headers={} if wanted is None else {"Accept": wanted})
    assert (response.status_code, response.mimetype) == (200, "text/html")


#: What no answer may hold: names of our files, of the database's, of SQL, and every secret of the settings.
INSIDE = re.compile(
    rf"Traceback|\.py\b|File \"|sqlite|psycopg|SELECT|weather_data|RuntimeError|boom|{KEY}|{RAIN_KEY}"
    r"|a-secret-token|meteorograph\.db"
)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/data"), ("GET", "/data/latest"), ("GET", "/"), ("GET", "/health"), ("POST", "/ingest"), ("GET", "/livez")],
)
def test_an_unexpected_error_shows_nothing_of_the_inside_but_in_the_log(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    def fail(*_args: Any, **_options: Any) -> Any:
        raise RuntimeError(f"boom appid={KEY} weather_data")

    endpoint = app.url_map.bind("").match(path, method=method)[0]
    monkeypatch.setitem(app.view_functions, endpoint, fail)
    response = app.test_client().open(path, method=method)
    assert (response.status_code, response.content_type) == (500, "application/problem+json")
    assert response.get_json()["title"] == "Internal Server Error"
    assert not INSIDE.search(response.text), response.text
    [line] = [line for line in _lines(tmp_path) if line["level"] == "error"]
    assert "RuntimeError: boom" in line["exception"]
    assert line["request_id"] == response.get_json()["request_id"]
    assert KEY not in (tmp_path / "log").read_text()


def test_an_error_deeper_down_shows_nothing_either(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> Any:
        raise ValueError(f"boom {KEY}")

    monkeypatch.setattr("meteorograph.web.data.read_latest_columns", fail)
    monkeypatch.setattr(overview, "read_overview_page", fail)
    for path in ("/data/latest", "/"):
        response = client.get(path)
        assert response.status_code == 500
        assert not INSIDE.search(response.text)


@pytest.mark.parametrize("kind", [FetchError, FetchTimeoutError])
def test_the_words_of_an_error_are_told_without_the_key(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, kind: type[FetchError]
) -> None:
    def fail(*_args: Any) -> Any:
        raise kind("openweathermap", f"no answer from /data?appid={KEY}")

    monkeypatch.setattr("meteorograph.web.ingest.ingest_data", fail)
    detail = client.post("/ingest", json={}).get_json()["detail"]
    assert detail == "openweathermap: no answer from /data?appid=[redacted]"


def test_no_answer_holds_a_secret_or_what_the_program_looks_like_inside(
    client: FlaskClient, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [client.get(path) for path in (*PATHS, "/nowhere", f"/data?location={KEY}", f"/data?{KEY}=1", f"/data?limit={KEY}")]
    answers += [client.post("/ingest", json=body) for body in ({"lat": 1}, {"key": KEY}, {KEY: 1}, {"lat": KEY, "lon": 0}, [KEY])]
    for fault in ("status code=401", "status code=429", "html", "truncated", "reset"):
        collecting.set_faults(f"kind={fault} provider=openweathermap")
        answers.append(client.post("/ingest", json={}))
    collecting.set_faults("")
    monkeypatch.setenv("OWM_API_KEY", RAIN_KEY[::-1])
    answers.append(client.post("/ingest", json={}))
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "a-secret-token-of-a-test")
    answers.append(client.post("/ingest", json={}))
    for response in answers:
        told = response.text + str(response.headers)
        assert not INSIDE.search(told), told
        assert RAIN_KEY[::-1] not in told
    assert {response.status_code for response in answers} == {200, 400, 401, 404, 502, 503}


def test_a_log_line_of_a_request_says_what_was_asked_and_what_came_of_it(client: FlaskClient, tmp_path: Path) -> None:
    client.get("/data?location=Atlantis")
    line = _lines(tmp_path)[-1]
    assert (line["event"], line["method"], line["path"], line["status"]) == ("request", "GET", "/data", 404)


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_path_cannot_forge_a_line_or_move_a_terminals_cursor(
    collecting: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    monkeypatch.setenv("METEOROGRAPH_LOG_FILE", str(tmp_path / "log"))
    monkeypatch.setenv("LOG_FORMAT", form)
    create_app().test_client().get("/x%0a2026-03-01%20all%20is%20well%1b[2J%c2%9b31m%e2%80%ae")
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1
    assert text.strip("\n").isprintable()


@pytest.mark.usefixtures("driven")
def test_an_answer_stays_the_same_while_nothing_changes(client: FlaskClient) -> None:
    client.post("/ingest", json={"lat": 53.35, "lon": -6.26})
    first, second = (client.get("/data", headers={"X-Request-ID": "same"}).data for _ in range(2))
    assert first == second
    assert NOON.isoformat().encode() in first


def test_many_readers_while_one_writes(app: Flask) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with served(app) as url, ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(_ask, url, "POST", "/ingest", b"{}", {"Content-Type": "application/json"}) for _ in range(4)]
        reads = [pool.submit(_ask, url, "GET", path) for path in PATHS for _ in range(4)]
        assert {asked.result().status for asked in (*writes, *reads)} == {200}
