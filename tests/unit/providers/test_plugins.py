"""Providers of outside packages: those that can be used are there, the others are told and cost nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from meteorograph.accounts import quota
from meteorograph.model.values import Payload, Request
from meteorograph.providers import plugins
from meteorograph.providers.base import History, Provider
from meteorograph.providers.registry import PROVIDERS

Install = Callable[..., tuple[dict[str, Provider], dict[str, str]]]


def never(*_: object) -> Request:
    raise AssertionError("nothing is called")


GOOD = replace(PROVIDERS["openweathermap"], name="garden", setting="GARDEN", key_setting="GARDEN_API_KEY", history=())


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package with these entry points where Python finds it, and gives what comes of them."""

    def installed(**entries: object) -> tuple[dict[str, Provider], dict[str, str]]:
        info = tmp_path / "outside-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
        lines = [f"{name.replace('_', '-')} = outside_plugins:{name}" for name in entries]
        (info / "entry_points.txt").write_text("\n".join([f"[{plugins.GROUP}]", *lines, ""]))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setitem(sys.modules, "outside_plugins", SimpleNamespace(**entries))
        return plugins.load_plugins(PROVIDERS)

    return installed


def test_a_good_one_is_there(install: Install) -> None:
    assert install(garden=GOOD) == ({"garden": GOOD}, {})


def test_without_any_there_is_nothing_to_tell() -> None:
    assert plugins.load_plugins(PROVIDERS) == ({}, {})


def history(account: str, setting: str | None) -> tuple[History, ...]:
    def parse(_: Payload) -> object:
        raise AssertionError("nothing is called")

    return (History(account, never, parse, lambda *_: 1, timedelta(days=1), setting=setting),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        (replace(GOOD, name="metar"), "a provider with the name metar exists already"),
        (replace(GOOD, setting="OWM"), "setting=OWM is taken by openweathermap"),
        (replace(GOOD, key_setting="OWM_API_KEY"), "key_setting=OWM_API_KEY is taken by openweathermap"),
        (replace(GOOD, key_setting="DATABASE_URL"), "key_setting=DATABASE_URL must be upper-case letters that end in _API_KEY"),
        (replace(GOOD, name="Garden Two"), "name='Garden Two' must be lower-case letters, digits and hyphens"),
        (replace(GOOD, name="lawn"), "the entry point must have the name of its provider, lawn"),
        (replace(GOOD, setting="garden"), "setting='garden' must be upper-case letters, digits and underscores"),
        (replace(GOOD, base_url="garden.example"), "base_url=garden.example must be an http:// or https:// address"),
        (
            replace(GOOD, windows={"week": 1}),
            "windows={'week': 1} must give at least 1 call for each window, of minute, hour, day, month",
        ),
        (replace(GOOD, quantities={"taste": "1"}), "quantities must be some of temperature, humidity, "),
        (replace(GOOD, max_age=timedelta(0)), "max_age=0:00:00 must be between a minute and 12 hours"),
        (replace(GOOD, max_age=timedelta(hours=13)), "max_age=13:00:00 must be between a minute and 12 hours"),
        (replace(GOOD, most=0), "most must be at least 1"),
        (replace(GOOD, history=history("nws", None)), "an account of its history belongs to nws"),
        (replace(GOOD, history=history("garden", "NWS")), "setting=GARDEN is taken by nws"),
        (replace(GOOD, windows=None), "AttributeError: 'NoneType' object has no attribute 'keys'"),  # type: ignore[arg-type]
        ("PROVIDER", "TypeError: the entry point must name a Provider, but names a str"),
    ],
)
def test_one_that_cannot_be_used_is_told_and_costs_the_others_nothing(install: Install, plugin: object, told: str) -> None:
    other = replace(GOOD, name="other", setting="OTHER", key_setting="OTHER_API_KEY")
    found, broken = install(garden=plugin, other=other)
    assert found == {"other": other}
    (line,) = broken.values()
    assert line.startswith("the provider plug-in garden (outside_plugins:garden) cannot be used: ")
    assert told in line
    assert line.splitlines() == [line]


def test_of_two_that_want_the_same_the_first_has_it(install: Install) -> None:
    found, broken = install(garden=GOOD, lawn=replace(GOOD, name="lawn"))
    assert list(found) == ["garden"]
    assert "setting=GARDEN is taken by garden" in broken["lawn"]


def test_a_module_that_cannot_be_imported_is_told(tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside_broken.py").write_text("raise RuntimeError('out of\\norder')\n")
    entries = [f"[{plugins.GROUP}]", "bad = outside_broken:PROVIDER", "none = outside_nowhere:PROVIDER", ""]
    second = tmp_path / "second-1.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: second\nVersion: 1.0\n")
    (second / "entry_points.txt").write_text("\n".join(entries))
    found, broken = install(garden=GOOD)
    assert found == {"garden": GOOD}
    assert broken["bad"].endswith("cannot be used: RuntimeError: out of order")
    assert broken["none"].endswith("cannot be used: ModuleNotFoundError: No module named 'outside_nowhere'")


def test_the_windows_are_those_of_the_quotas() -> None:
    assert plugins.WINDOWS == quota.WINDOWS
