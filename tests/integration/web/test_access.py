"""Tokens: who may read, collect and change."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.cli.main import main
from meteorograph.config.loading import load_settings
from meteorograph.errors import ConfigurationError
from meteorograph.model.clock import DrivenClock
from meteorograph.model.states import TokenScope
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Token
from meteorograph.storage.tokens import add_token
from meteorograph.web.rate_limits import MAX_FAILURES
from support import KEY, NOON

pytestmark = [
    pytest.mark.usefixtures("database", "collecting"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

BODY = {"name": "Athens", "latitude": 38, "longitude": 23.7}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


def _token(*scopes: TokenScope, days: int | None = None) -> dict[str, str]:
    with get_db_session() as session:
        expires = None if days is None else NOON + timedelta(days=days)
        return {"Authorization": f"Bearer {add_token(session, f'{scopes} {days}', scopes, NOON, expires)}"}


def _statuses(client: FlaskClient, headers: dict[str, str]) -> tuple[int, int, int]:
    """Read, collect, change."""
    read = client.get("/data", headers=headers).status_code
    collect = client.post("/ingest", headers=headers).status_code
    change = client.post("/api/locations", json={**BODY, "name": str(headers)}, headers=headers).status_code
    return read, collect, change


def test_without_any_token_the_server_is_open(client: FlaskClient) -> None:
    assert _statuses(client, {}) == (200, 200, 201)
    assert _statuses(client, {"X-API-Key": "a-token-of-another-server"}) == (200, 200, 201)


def test_scopes(client: FlaskClient, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    read, ingest, admin = (_token(scope) for scope in TokenScope)
    both = _token(TokenScope.READ, TokenScope.INGEST)
    assert _statuses(client, {}) == (200, 401, 401)
    assert _statuses(client, read) == (200, 403, 403)
    assert _statuses(client, ingest) == (200, 200, 403)
    assert _statuses(client, admin) == (200, 200, 201)
    monkeypatch.setenv("METEOROGRAPH_READ_ACCESS", "token")
    assert _statuses(client, {}) == (401, 401, 401)
    assert _statuses(client, read) == (200, 403, 403)
    assert _statuses(client, ingest) == (403, 200, 403)
    assert _statuses(client, both) == (200, 200, 403)
    assert _statuses(client, admin)[:2] == (200, 200)
    assert client.get("/livez").status_code == 200
    with client.get("/static/style.css") as style:
        assert style.status_code == 200
    for path in ("/", "/health", "/metrics", "/openapi.json", "/api/locations", "/location?name=London", "/nothing"):
        assert client.get(path).status_code == 401, path


def test_a_token_ends_when_it_expires_and_opens_nothing(client: FlaskClient, driven: DrivenClock) -> None:
    headers = _token(TokenScope.ADMIN, days=1)
    assert _statuses(client, headers) == (200, 200, 201)
    driven.advance(timedelta(days=1))
    assert _statuses(client, headers) == (200, 401, 401)
    assert _statuses(client, {}) == (200, 401, 401)


HTML = {"Accept": "text/html,application/xhtml+xml"}


def test_a_page_may_be_opened_with_the_token_as_password(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_READ_ACCESS", "token")
    token = _token(TokenScope.READ)["Authorization"].removeprefix("Bearer ")
    assert client.get("/data").headers["WWW-Authenticate"].startswith("Bearer")
    credentials = base64.b64encode(f"anyone:{token}".encode()).decode()
    assert client.get("/", headers={**HTML, "Authorization": f"Basic {credentials}"}).status_code == 200
    for wrong in ("", "!", base64.b64encode(b"anyone").decode(), base64.b64encode(b"anyone:wrong").decode()):
        assert client.get("/", headers={**HTML, "Authorization": f"Basic {wrong}"}).status_code == 401


def test_a_browser_signs_in_once_and_signs_out(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_READ_ACCESS", "token")
    token = _token(TokenScope.ADMIN)["Authorization"].removeprefix("Bearer ")
    refused = client.get("/coverage?days=7", headers=HTML)
    assert refused.status_code == 401
    assert 'name="next" value="/coverage?days=7"' in refused.text
    for shown in ("Overview", "Collecting", "no provider", "scheduler"):
        assert shown not in refused.text, "nothing of the service is shown before"
    wrong = client.post("/sign-in", data={"token": "0f1e2d3c4b5a6978", "next": "/coverage"}, headers=HTML)
    assert (wrong.status_code, "unknown" in wrong.text, wrong.headers.get("Set-Cookie")) == (401, True, None)
    entered = client.post("/sign-in", data={"token": token, "next": "/coverage?days=7"}, headers=HTML)
    assert (entered.status_code, entered.location) == (303, "/coverage?days=7")
    cookie = entered.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie, "this server has no TLS"
    assert "Secure" in client.post("/sign-in", data={"token": token}, base_url="https://localhost").headers["Set-Cookie"]
    page = client.get("/coverage?days=7", headers=HTML)
    assert (page.status_code, "Sign out" in page.text, token in page.text) == (200, True, False)
    assert client.post("/api/locations", json={"name": "x", "latitude": 1, "longitude": 2}).status_code == 201
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post("/api/locations", json={"name": "y", "latitude": 1, "longitude": 3}, headers=foreign).status_code == 403
    assert client.post("/sign-out").status_code == 303
    assert client.get("/coverage", headers=HTML).status_code == 401


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", "/a\r\nSet-Cookie: a=b"])
def test_signing_in_leads_to_no_other_server(client: FlaskClient, path: str) -> None:
    assert client.get("/sign-in", query_string={"next": path}, headers=HTML).status_code == 400


def test_the_settings_are_shown_to_who_may_change_things_and_without_secrets(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METEOROGRAPH_BACKUP_DIR", str(tmp_path / "backups"))
    page = client.get("/settings", headers=HTML)
    assert page.status_code == 200
    for shown in ("OWM_API_KEY", "set (hidden)", "METEOROGRAPH_BACKUP_DIR", "There is none yet", "Weatherstack"):
        assert shown in page.text
    assert KEY not in page.text
    headers = _token(TokenScope.READ)
    assert client.get("/settings", headers=HTML).status_code == 401
    refused = client.get("/settings", headers={**HTML, **headers})
    assert (refused.status_code, "This needs a token with the scope admin" in refused.text) == (403, True)
    assert client.get("/settings", headers={**HTML, **_token(TokenScope.ADMIN)}).status_code == 200


def test_a_page_offers_to_sign_in_only_where_a_token_is_needed(client: FlaskClient) -> None:
    assert "Sign in" not in client.get("/locations", headers=HTML).text
    headers = _token(TokenScope.INGEST)
    for path in ("/locations", "/alerts"):
        page = client.get(path, headers=HTML)
        assert "Changes need a token" in page.text
        assert "Changes need a token" in client.get(path, headers={**HTML, **headers}).text, "this token allows less"
    assert "Sign in" not in client.get("/locations", headers={**HTML, **_token(TokenScope.ADMIN)}).text


@pytest.mark.parametrize("token", ["abcdefghijklmnop==", "abc=def~+/._-0123", "0f1e2d3c4b5a6978"])
def test_tokens_of_the_settings(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    if "=d" in token:  # '=' inside is no token68
        monkeypatch.setenv("METEOROGRAPH_API_TOKENS", token)
        with pytest.raises(ConfigurationError, match=r"^METEOROGRAPH_API_TOKENS: must be one or more tokens of at least 16"):
            load_settings()
        return
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", token)
    assert _statuses(client, {"Authorization": f"Bearer {token}"}) == (200, 200, 201)
    assert _statuses(client, {"Authorization": f"bearer  {token}"})[1] == 200
    assert _statuses(client, {"X-API-Key": token})[1] == 200
    for wrong in (token[:-1], f"{token}x", token.upper(), "", "ü" * 20):
        assert _statuses(client, {"Authorization": f"Bearer {wrong}"})[1] == 401, wrong


@pytest.mark.parametrize("name", ["METEOROGRAPH_API_TOKENS", "API_TOKENS", "VALID_API_KEYS"])
@pytest.mark.parametrize("value", ["", ",", " , ", '""', "short", "sixteen chars 01", "0f1e2d3c4b5a6978,short", "0f1e2d3c4b5a;8"])
def test_tokens_that_would_protect_nothing(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=r"^METEOROGRAPH_API_TOKENS") as caught:
        load_settings()
    assert "at least 16" in str(caught.value)
    assert not value.strip(' ",') or value not in str(caught.value)


def test_failures_are_logged_and_slowed_down(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "0f1e2d3c4b5a6978")
    guess, right = {"X-API-Key": "a-wrong-token-of-an-attacker"}, {"X-API-Key": "0f1e2d3c4b5a6978"}
    for _ in range(MAX_FAILURES):
        assert client.post("/ingest", headers=guess, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 401
    [record, *_] = [record for record in caplog.records if "request refused" in record.getMessage()]
    assert "192.0.2.7" in record.getMessage()
    assert "a-wrong-token" not in caplog.text
    blocked = client.post("/ingest", headers=right, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert blocked.status_code == 429
    assert 1 <= int(blocked.headers["Retry-After"]) <= 60
    assert client.post("/ingest", headers=right, environ_base={"REMOTE_ADDR": "192.0.2.8"}).status_code == 200
    assert client.get("/data", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def test_one_caller_cannot_change_its_address_within_its_network(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "0f1e2d3c4b5a6978")
    statuses = [
        client.post("/ingest", headers={"X-API-Key": "wrong"}, environ_base={"REMOTE_ADDR": f"2001:db8::{number:x}"}).status_code
        for number in range(1, MAX_FAILURES + 3)
    ]
    assert statuses == [401] * MAX_FAILURES + [429] * 2


def test_requests_of_one_caller_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    monkeypatch.setenv("METEOROGRAPH_REQUESTS_PER_MINUTE", "5")
    client = create_app().test_client()
    first = [client.get("/livez", environ_base={"REMOTE_ADDR": "192.0.2.7"}) for _ in range(7)]
    assert [response.status_code for response in first] == [200] * 5 + [429] * 2
    assert 1 <= int(first[-1].headers["Retry-After"]) <= 60
    assert client.get("/livez", environ_base={"REMOTE_ADDR": "192.0.2.8"}).status_code == 200


def test_the_address_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    monkeypatch.setenv("METEOROGRAPH_REQUESTS_PER_MINUTE", "1")
    for proxies, statuses in (("0", [200, 429, 429]), ("1", [200, 200, 429])):
        monkeypatch.setenv("METEOROGRAPH_PROXIES", proxies)
        client = create_app().test_client()
        forwarded = (
            "192.0.2.1, 192.0.2.7",
            "192.0.2.1, 192.0.2.8",
            "192.0.2.9, 192.0.2.8",
        )
        assert [client.get("/livez", headers={"X-Forwarded-For": text}).status_code for text in forwarded] == statuses


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1", 200), ("localhost", 200), ("::1", 200), ("192.0.2.1", 401), ("weather.lan", 401)]
)
def test_an_address_that_others_reach_is_never_open(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, host: str, status: int
) -> None:
    monkeypatch.setenv("HOST", host)
    assert client.post("/ingest").status_code == status
    monkeypatch.setenv("METEOROGRAPH_ALLOW_ANONYMOUS", "true")
    assert client.post("/ingest").status_code == 200


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr("sys.argv", ["meteorograph", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_commands(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, "tokens", "list") == 0
    assert "There are no tokens" in capsys.readouterr().out
    assert _run(monkeypatch, "tokens", "add", "my phone", "--scope", "read", "--scope", "ingest", "--expires", "90d") == 0
    token = capsys.readouterr().out.strip()
    with get_db_session(read_only=True) as session:
        stored = session.get_one(Token, "my phone")
    assert stored.scopes == "read ingest"
    assert token not in f"{stored.digest} {stored.name}"
    assert len(token) >= 40
    assert _statuses(client, {"Authorization": f"Bearer {token}"}) == (200, 200, 403)
    assert _run(monkeypatch, "tokens", "add", "my phone", "--scope", "read") == 1
    assert "must be unique" in capsys.readouterr().err
    assert _run(monkeypatch, "tokens", "list") == 0
    assert "my phone" in capsys.readouterr().out
    assert _run(monkeypatch, "tokens", "revoke", "my phone") == 0
    assert "that was the last token" in capsys.readouterr().err
    assert _run(monkeypatch, "tokens", "revoke", "my phone") == 1
    for wrong in ("--scope all", "--expires 90d", "--scope read --expires soon", "--scope read --expires 1999-01-01"):
        assert _run(monkeypatch, "tokens", "add", "x", *wrong.split()) == 2, wrong
    for name in ("", "  ", "a\x1b[31m", "x" * 101):
        assert _run(monkeypatch, "tokens", "add", name, "--scope", "read") == 2, name


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])  # noqa: S104  # it must be refused
def test_the_server_does_not_listen_for_others_without_tokens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    assert _run(monkeypatch, "serve", "--host", address, "--port", "0") == 2
    assert f"HOST={address}: others can reach this address" in capsys.readouterr().err


@pytest.mark.parametrize("origin", ["http://[", "https://evil.example", "null", "//", "http://localhost:1"])
def test_an_origin_that_is_not_ours(client: FlaskClient, origin: str) -> None:
    assert client.post("/ingest", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize(
    "path", ["//evil.example/static", "/static//evil.example/..", "//evil.example//data", "/\\evil.example/", "/static/"]
)
def test_no_path_leads_to_another_host(client: FlaskClient, path: str) -> None:
    with client.get(path, base_url="http://localhost") as response:
        assert response.headers.get("Location", "http://localhost/").startswith(("http://localhost/", "/")), path
        assert not response.headers.get("Location", "").startswith("//")


@pytest.mark.parametrize("path", ["/", "/data", "/health", "/api/locations", "/metrics", "/nothing"])
def test_headers_of_private_answers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Cache-Control"] in ("no-store", "private, no-cache")
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_no_formula_for_spreadsheets(client: FlaskClient) -> None:
    names = ("=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "Oslo", "'quoted")
    for number, name in enumerate(names):
        client.post("/api/locations", json={"name": name, "latitude": number, "longitude": 0})
        assert client.post("/ingest", json={"lat": number, "lon": 0}).status_code == 200
    for path in ("/data?", "/data?limit=1000&", "/data/latest?", "/data/aggregate?bucket=day&"):
        plain = client.get(f"{path}format=csv").text
        safe = client.get(f"{path}format=csv&safe=spreadsheet").text
        assert all(f"\n{name}," in plain for name in names), path
        assert all(f"\n'{name}," in safe for name in names[:4]), path
        assert all(f"\n{name}," in safe for name in names[4:]), path
    [page] = [client.get("/location?name=Oslo").text]
    assert "safe=spreadsheet" in page


def test_a_closed_provider_is_opened_on_command(
    client: FlaskClient, collecting: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    collecting.set_faults("kind=status code=429 retry_after=999999 provider=openweathermap count=1")
    refused = client.post("/ingest")
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) <= 86400
    assert _run(monkeypatch, "providers", "list") == 0
    assert "openweathermap" in capsys.readouterr().out
    assert _run(monkeypatch, "providers", "reopen", "openweathermap") == 0
    assert _run(monkeypatch, "providers", "reopen", "openweathermap") == 1
    assert _run(monkeypatch, "providers", "reopen", "nobody") == 2
    assert client.post("/ingest").status_code == 200


def test_a_journal_that_can_never_be_written(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_DIR", "/dev/null")
    assert _run(monkeypatch, "serve", "--port", "0") == 2
    assert "METEOROGRAPH_JOURNAL_DIR=/dev/null: must be a folder" in capsys.readouterr().err
