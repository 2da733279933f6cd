"""Behind nginx and caddy with TLS and a path prefix, as the documentation configures them, in a real browser."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

import past
from acceptance.processes import Starter, until
from browser import browser, chromium, opened, service
from clients.environment import system_program
from meteorograph import create_app
from meteorograph.config.loading import load_settings
from support import ROOT, absent

expect.set_options(timeout=60_000)

PAGE = (ROOT / "docs" / "servers.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service on a past of five days, behind a proxy that is trusted."""
    folder: Path = tmp_path_factory.mktemp("past")
    with past.database(folder / "past.db"):
        past.fill(past.now(), days=5)
    with service(folder, "--no-scheduler", DATABASE_URL=f"sqlite:///{folder}/past.db", METEOROGRAPH_PROXIES="1") as url:
        yield url


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certificate for this machine, as ``weather.pem`` and ``weather.key``."""
    folder: Path = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "weather.key"), "-out", str(folder / "weather.pem")]
    subprocess.run([*command, *names, *files], check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser(chromium() or absent("Chromium"), "--ignore-certificate-errors") as running:
        yield running


@pytest.fixture(params=["nginx", "caddyfile"])
def proxy(request: pytest.FixtureRequest, start: Starter, address: str, certificate: Path, tmp_path: Path) -> str:
    """The address of the proxy, with the prefix."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site = f"127.0.0.1:{taken.getsockname()[1]}"
    block = re.findall(rf"```{request.param}\n(.*?)```", PAGE, re.DOTALL)[0]
    block = block.replace("/etc/ssl", str(certificate)).replace("127.0.0.1:8000", address.removeprefix("http://"))
    file = tmp_path / request.param
    if request.param == "nginx":
        paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        head = f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {paths}"
        file.write_text(f"{head}\n{block.replace('listen 443', f'listen {site}')}}}")
        start(system_program("nginx", "nginx-light"), "-e", "stderr", "-c", str(file))
    else:
        head = "{\n admin off\n auto_https disable_redirects\n}\n"
        file.write_text(head + block.replace("weather.example.org", f"https://{site}"))
        start(system_program("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(file))
    until(lambda: _answers(f"https://{site}/weather/livez"), "an answer of the proxy", pause=0.1)
    return f"https://{site}/weather"


def _ask(url: str) -> tuple[dict[str, str], bytes]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(url, timeout=30, context=context) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def _answers(url: str) -> bool:
    try:
        return bool(_ask(url))
    except OSError:
        return False


def test_a_browser_works_behind_the_prefix(proxy: str, chrome: Browser) -> None:
    with opened(chrome) as (page, wrong):
        page.goto(proxy.removesuffix("/weather") + "/weather")
        expect(page).to_have_url(f"{proxy}/")
        page.get_by_role("link", name="Runs").click()
        page.get_by_role("link", name="Older").click()
        expect(page).to_have_url(re.compile(rf"^{re.escape(proxy)}/runs\?.*cursor="))
        page.goto(f"{proxy}/locations")
        form, name = page.locator("#add"), f"Behind {proxy}"
        latitude = f"{10 + (urlsplit(proxy).port or 0) % 50_000 / 1000:.3f}"  # another place for each proxy
        for field, text in (("name", name), ("latitude", latitude), ("longitude", "20")):
            form.locator(f"[name={field}]").fill(text)
        form.get_by_role("button", name="Add").click()
        expect(form.locator(".result")).to_contain_text("was added")
        page.goto(f"{proxy}/location?name=Athens&range=7d&explore=1")
        expect(page.locator("#chart[data-drawn]")).to_be_visible()
        page.locator(".gaps li").get_by_role("button", name="Try again").first.click()
        expect(page.locator("#retried")).to_contain_text("requested again")
        addresses = "[...document.querySelectorAll('[href], [src]')].map(one => one.href || one.src)"
        ours = [one for one in page.evaluate(addresses) if one.startswith(proxy.removesuffix("/weather"))]
        assert [one for one in ours if not one.startswith(f"{proxy}/")] == []
        assert wrong == []
    document = json.loads(_ask(f"{proxy}/openapi.json")[1])
    assert document["servers"] == [{"url": "/weather"}]
    headers, _ = _ask(f"{proxy}/data?limit=2&format=csv")
    assert headers["link"].startswith("</weather/data?")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("proxies", "prefix", "root"),
    [
        (0, "/weather", "/"),
        (1, "/weather/", "/weather"),
        (1, "//evil.example", "/"),
        (1, "/a, /b", "/b"),
        (1, '/"><script>', "/"),
    ],
)
def test_only_a_trusted_proxy_sets_a_plain_prefix(proxies: int, prefix: str, root: str) -> None:
    client = create_app(load_settings(scheduler_enabled=False, proxies=proxies)).test_client()
    document = client.get("/openapi.json", headers={"X-Forwarded-Prefix": prefix}).get_json()
    assert document["servers"] == [{"url": root}]
    mounted = client.get("/openapi.json", environ_overrides={"SCRIPT_NAME": "/mounted"}).get_json()
    assert mounted["servers"] == [{"url": "/mounted"}]
