"""The provider that the documentation tells how to write: as a package beside ours, it keeps the contract and collects."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from meteorograph.providers import registry
from support import KEY, ROOT

GUIDE = (ROOT / "docs" / "providers" / "README.md").read_text(encoding="utf-8")
METEOROGRAPH = str(Path(sys.executable).with_name("meteorograph"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with the package of the guide, installed as pip would leave it."""
    blocks: dict[str, str] = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE, re.DOTALL))
    (project,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    told = tomllib.loads(project)["project"]
    folder = tmp_path / "outside"
    info = folder / f"{told['name'].replace('-', '_')}-{told['version']}.dist-info"
    info.mkdir(parents=True)
    for name, text in blocks.items():
        (folder / name).write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n")
    points = told["entry-points"]["meteorograph.providers"]
    (info / "entry_points.txt").write_text("[meteorograph.providers]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    return folder


class Backyard(BaseHTTPRequestHandler):
    """The service of the guide."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        known = url.path == "/v1/now" and asked.get("token") == KEY and asked.get("units") == "us"
        answer = {"time": 1772366400, "temp_f": 50, "wind_mph": 10, "rain_in_last_hour": 0.1, "sky": "Rain"}
        body = json.dumps(answer if known else {"message": "who are you?"}).encode()
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def backyard() -> Iterator[str]:
    """The service on a socket; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Backyard) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def run(outside: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command in a process that has the package."""
    ours = Path(registry.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{ours}{os.pathsep}{outside}", **settings}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def settings(address: str, **more: str) -> dict[str, str]:
    return {
        "METEOROGRAPH_PROVIDERS": "backyard",
        "METEOROGRAPH_PRECIPITATION_PROVIDERS": "backyard",
        "METEOROGRAPH_BACKYARD_BASE_URL": address,
        "BACKYARD_API_KEY": KEY,
        **more,
    }


def test_it_keeps_the_contract(outside: Path) -> None:
    done = run(outside, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(outside))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 50


def test_the_suite_finds_what_it_does_wrong(outside: Path) -> None:
    module = outside / "backyard.py"
    module.write_text(module.read_text().replace("* 0.44704", "* 1.0"))
    code = "from test_backyard import *; from meteorograph.testing import check_provider; check_provider(PROVIDER, FIXTURES)"
    done = run(outside, sys.executable, "-c", code)
    assert done.returncode == 1
    assert "AssertionError: wind_speed: 10.0 instead of 4.4704" in done.stderr
    assert "backyard: answer: good" in done.stderr


def test_it_collects(outside: Path, backyard: str, database: str) -> None:
    done = run(outside, METEOROGRAPH, "ingest", "--json", **settings(backyard, METEOROGRAPH_BACKYARD_CALLS_PER_DAY="1"))
    assert done.returncode == 0, done.stdout + done.stderr
    stored = json.loads(done.stdout)
    row = stored[0] if isinstance(stored, list) else stored
    assert row["temperature"] == 10.0
    assert row["precipitation"] == 2.54
    assert KEY not in done.stdout + done.stderr
    again = run(outside, METEOROGRAPH, "ingest", "--json", **settings(backyard, METEOROGRAPH_BACKYARD_CALLS_PER_DAY="1"))
    assert again.returncode == 1, again.stdout
    assert "backyard" in again.stderr


def test_a_wrong_key_is_its_own_words(outside: Path, backyard: str, database: str) -> None:
    done = run(outside, METEOROGRAPH, "ingest", **settings(backyard, BACKYARD_API_KEY="another-key-of-nobody"))
    assert done.returncode == 1
    assert "backyard: 403: who are you?" in done.stderr


def test_a_broken_one_is_told_where_it_is_named_and_harms_nobody(outside: Path, backyard: str, database: str) -> None:
    (outside / "backyard.py").write_text("import nowhere_to_be_found\n")
    named = run(outside, METEOROGRAPH, "ingest", **settings(backyard))
    assert named.returncode == 2
    (line,) = named.stderr.splitlines()
    assert "METEOROGRAPH_PROVIDERS=backyard" in line
    assert "cannot be used: ModuleNotFoundError: No module named 'nowhere_to_be_found'" in line
    other = run(outside, METEOROGRAPH, "runs")
    assert other.returncode == 0, other.stderr
    assert "Traceback" not in other.stderr
