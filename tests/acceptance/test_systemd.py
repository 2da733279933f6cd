"""The unit for systemd, and what systemd hears from the service over a real socket."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.books import add_places
from acceptance.processes import METEOROGRAPH, Starter, until
from meteorograph.config.loading import load_settings
from meteorograph.server import systemd
from meteorograph.simulator import Simulator

pytestmark = pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What systemd has heard; reading the list after ``_listen``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        messages: list[str] = []

        class Heard(list[str]):
            def __iter__(self) -> Iterator[str]:
                while True:
                    try:
                        messages.append(listener.recv(4096).decode())
                    except BlockingIOError:
                        return iter(messages)

        yield Heard()


def test_it_hears_the_start_the_work_and_the_stop(
    empty_database: str, start: Starter, collecting: Simulator, heard: list[str]
) -> None:
    add_places(3)
    service = start.serve()
    until(lambda: list(heard)[:1] == ["READY=1"], "the word that it is ready")
    assert service.address()
    until(lambda: list(heard).count("WATCHDOG=1") >= 3, "signs of life")
    assert service.end() == 0
    assert "STOPPING=1" in list(heard)


def test_it_hears_no_sign_of_life_of_a_service_whose_scheduler_does_not_run(
    empty_database: str, collecting: Simulator, heard: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR")  # a command that another test ran in this process may have raised it
    ended = systemd.start_watchdog(load_settings(scheduler_enabled=True))
    until(lambda: "the scheduler does not run" in caplog.text, "the reason in the log")
    ended.set()
    assert list(heard) == []


def test_the_unit_is_one_that_systemd_understands(empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / 'a folder with 100 % and a "'
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    ended = subprocess.run(
        [METEOROGRAPH, "systemd", "install", "--user"], capture_output=True, text=True, timeout=300, check=True
    )
    unit = tmp_path / "config/systemd/user/meteorograph.service"
    assert ended.stdout.startswith(f"wrote {unit}\n")
    assert f'ExecStart="{METEOROGRAPH}" serve\n' in unit.read_text()
    of_machine = tmp_path / "meteorograph.service"
    show = [METEOROGRAPH, "systemd", "show", "--run-as", "root"]
    of_machine.write_text(subprocess.run(show, capture_output=True, text=True, timeout=300, check=True).stdout)
    assert f'"{tmp_path}/data"' in of_machine.read_text()
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        for options in (("--user", "verify", str(unit)), ("verify", str(of_machine))):
            verdict = subprocess.run([analyze, *options], capture_output=True, text=True, timeout=300, check=False)
            assert (verdict.returncode, verdict.stderr) == (0, "")
