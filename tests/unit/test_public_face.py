"""What is public stays importable under its name, from any folder and without any setting."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

#: Module → its public names, as the README, the documentation and plug-ins use them.
PUBLIC = {
    "meteorograph": ("WeatherData", "create_app", "get_db_session", "ingest_data", "init_db", "job", "read"),
    "meteorograph.errors": ("AccountError", "FetchError", "MeteorographError", "PayloadError", "RetryableFetchError"),
    "meteorograph.logs": ("setup_logging",),
    "meteorograph.providers.base": (
        "UNREADABLE",
        "History",
        "Provider",
        "Stations",
        "degrees",
        "from_unix",
        "one_line",
        "unreadable",
    ),
    "meteorograph.providers.http_errors": ("error_for_status",),
    "meteorograph.providers.refusals": ("error_for_status",),
    "meteorograph.scheduler": ("scheduled_ingest", "scheduler"),
    "meteorograph.simulator": ("Simulator",),
    "meteorograph.testing": ("Answer", "Fixtures", "Refusal", "checks", "unix"),
    "meteorograph.values": ("Coordinates", "Observation", "Payload", "Request", "RequestPoint"),
}


def _run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an empty folder, with no setting but these."""
    path = os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", "")))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "COVERAGE_PROCESS_START") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_there(module: str) -> None:
    loaded = importlib.import_module(module)
    assert [name for name in PUBLIC[module] if not hasattr(loaded, name)] == []


def test_the_module_lists_what_is_public() -> None:
    meteorograph = importlib.import_module("meteorograph")
    assert dir(meteorograph) == sorted(meteorograph.__all__)
    assert set(PUBLIC["meteorograph"]) <= set(dir(meteorograph))


def test_the_factory_is_found_in_the_namespace_of_the_module(tmp_path: Path) -> None:
    """uwsgi and hypercorn look there; and it does not load Flask before it is called."""
    done = _run(tmp_path, "-c", "import sys, meteorograph; print('create_app' in vars(meteorograph), 'flask' in sys.modules)")
    assert done.stdout.split() == ["True", "False"]


def test_an_alias_is_the_same_object() -> None:
    """A plug-in that imports the alias must meet the errors and values that the application knows."""
    values, model = importlib.import_module("meteorograph.values"), importlib.import_module("meteorograph.model.values")
    refusals = importlib.import_module("meteorograph.providers.refusals")
    errors = importlib.import_module("meteorograph.providers.http_errors")
    assert values.Observation is model.Observation
    assert refusals.error_for_status is errors.error_for_status


def test_each_import_works_first_in_an_empty_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    """In an order of their own, so that no module needs that another one was imported before."""
    for module, names in PUBLIC.items():
        done = _run(tmp_path, "-W", "error", "-c", f"from {module} import {', '.join(names)}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), module
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"LOG_LEVEL": "WARNING"}, ""),
        ({"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}, '"event": "hello", "level": "info"'),
        ({"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "console"}, "hello"),
    ],
    ids=["level", "json", "console"],
)
def test_setup_logging_without_arguments_obeys_the_environment(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    script = "import logging; from meteorograph.logs import setup_logging; setup_logging(); logging.getLogger('x').info('hello')"
    done = _run(tmp_path, "-c", script, **settings)
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr
    assert line in output if line else output == ""
    assert output.startswith("{") == (settings.get("LOG_FORMAT") == "json")


def test_the_module_runs_as_a_command(tmp_path: Path) -> None:
    done = _run(tmp_path, "-m", "meteorograph", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: meteorograph" in done.stdout
    assert "serve" in done.stdout
