"""A client that openapi-python-client generates from ``/openapi.json``: no warning, every route, and errors as objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from clients.environment import client_program
from meteorograph import create_app
from meteorograph.simulator import Simulator
from pages import add
from support import NOON, served

pytestmark = [pytest.mark.usefixtures("database", "driven"), pytest.mark.parametrize("database", ["sqlite"], indirect=True)]


def test_it_fetches_every_route_and_reads_errors(collecting: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", "phone=json://127.0.0.1:9/nobody")
    app = create_app()
    add("Zürich", {"temperature": 1.5, "observed_at": NOON, "flags": {"temperature": ["step"]}})
    with served(app) as url:
        document = tmp_path / "openapi.json"
        with urllib.request.urlopen(f"{url}/openapi.json", timeout=30) as answer:
            document.write_bytes(answer.read())
        command = [client_program("openapi-python-client"), "generate", "--path", str(document), "--meta", "none"]
        # It formats the code with ruff, which is beside our Python.
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        made = subprocess.run(
            [*command, "--output-path", str(tmp_path / "weather"), "--fail-on-warning"],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PATH": path},
        )
        assert (made.returncode, "arning" in made.stdout) == (0, False), made.stdout
        script = str(Path(__file__).with_name("generated_client.py"))
        done = subprocess.run([client_program("python"), script, str(tmp_path), url], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
    operations = {
        operation["operationId"]
        for methods in json.loads(document.read_text())["paths"].values()
        for operation in methods.values()
    }
    assert set(told) == operations
    assert {name: outcome for name, outcome in told.items() if outcome not in ("object", "bytes")} == {}
