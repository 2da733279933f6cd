"""The host of a request: ours, or refused, so that no site can point its own name to this server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from browser import browser, chromium, opened, service
from meteorograph import create_app
from support import absent

_ON_SQLITE = [pytest.mark.usefixtures("database"), pytest.mark.parametrize("database", ["sqlite"], indirect=True)]


def _statuses(monkeypatch: pytest.MonkeyPatch, hosts: list[str], **settings: str) -> dict[str, int]:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client = create_app().test_client()
    return {host: client.get("/livez", headers={"Host": host}).status_code for host in hosts}


class TestHosts:
    """Names and addresses."""

    pytestmark = _ON_SQLITE

    def test_names_of_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hosts = ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1:8000", "127.9.8.7", "[::1]:8000", "a.localhost"]
        assert set(_statuses(monkeypatch, hosts).values()) == {200}

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])  # noqa: S104  # a setting
    def test_names_of_others(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        hosts = [
            *(
                "evil.example",
                "evil.example:8000",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "a@localhost",
                "",
                "localhost:x",
            ),
            *(
                "localhost/x",
                "[::1",
                "[::1]evil.example",
                "[::1]evil.example:80",
                "localhost evil.example",
                "weather.example.org.evil.example",
            ),
        ]
        found = _statuses(monkeypatch, hosts, HOST=host, METEOROGRAPH_TRUSTED_HOSTS="weather.example.org")
        assert set(found.values()) == {421}, found

    def test_the_host_of_the_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hosts = ["192.0.2.1:8000", "192.0.2.2:8000", "weather.example.org", "Weather.Example.Org:443", "other.example.org"]
        found = _statuses(monkeypatch, hosts, HOST="192.0.2.1", METEOROGRAPH_TRUSTED_HOSTS=" Weather.example.org. ,b.example")
        assert list(found.values()) == [200, 421, 200, 200, 421]

    def test_all_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = _statuses(monkeypatch, ["192.0.2.1:8000", "[2001:db8::1]:8000", "myhost", "evil.example"], HOST="0.0.0.0")  # noqa: S104  # a setting
        assert list(found.values()) == [200, 200, 421, 421]

    @pytest.mark.parametrize("path", ["/", "/data", "/health", "/metrics", "/static/style.css", "/nothing", "/openapi.json"])
    def test_every_route(self, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
        monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
        response = create_app().test_client().get(path, headers={"Host": "evil.example"})
        assert response.status_code == 421
        assert response.content_type == "application/problem+json"


def test_a_site_that_points_its_name_here_reads_and_deletes_nothing(tmp_path: Path) -> None:
    executable = chromium() or absent("Chromium")
    with service(tmp_path, "--demo") as url:
        port = urlsplit(url).port
        with browser(executable, "--host-resolver-rules=MAP evil.example 127.0.0.1") as running, opened(running) as (page, _):
            answer = page.goto(f"http://evil.example:{port}/")
            assert answer is not None
            assert answer.status == 421
            read = "fetch('/api/locations').then(answer => answer.status)"
            delete = "fetch('/api/locations/London?data=delete', {method: 'DELETE'}).then(answer => answer.status)"
            assert (page.evaluate(read), page.evaluate(delete)) == (421, 421)
            answer = page.goto(f"http://127.0.0.1:{port}/api/locations/London")
            assert answer is not None
            assert answer.status == 200
