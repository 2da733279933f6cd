"""Every shell block of the README runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.processes import DEADLINE
from meteorograph.simulator import Simulator
from support import KEY, ROOT


def _commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_shell_blocks_run(tmp_path: Path) -> None:
    commands = _commands()
    assert [line.split("#")[0].strip() for line in commands[:2]] == ["make run", "make test"]
    with Simulator(keys=(KEY,)) as simulator:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OWM_API_KEY": KEY,
            "METEOROGRAPH_OWM_BASE_URL": simulator.url,
            "METEOROGRAPH_DEFAULT_LOCATION": "Athens",
            "PORT": "0",
        }
        log = tmp_path / "serve.log"
        with (
            log.open("wb") as out,
            subprocess.Popen(["meteorograph", "serve"], cwd=tmp_path, env=environment, stderr=out) as server,
        ):
            try:
                address = _address(log, server)
                for line in commands[2:]:  # `make run` is the server above; `make test` is where this runs
                    line = line.replace("http://127.0.0.1:8000", address)
                    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True)
                    assert done.returncode == 0, (line, done.stderr)
                    assert done.stdout.strip(), line
                    assert '"status": 4' not in done.stdout, (line, done.stdout)
            finally:
                server.terminate()
                assert server.wait(DEADLINE) == 0


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """Where the server listens, once the first row is there."""
    import time

    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and server.poll() is None:
        text = log.read_text()
        found = re.search(r"address=(http://\S+)", text)
        if found and "run ended" in text:
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"the server did not come up:\n{log.read_text()}")
