"""The documentation names everything that there is, and nothing that there is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import click
from flask import Flask
from pydantic import SecretStr

from meteorograph import __version__
from meteorograph.cli.main import cli
from meteorograph.config.loading import load_settings, setting_names
from meteorograph.config.settings import Settings
from meteorograph.providers.registry import PROVIDERS
from meteorograph.web.app import create_app
from support import ROOT

SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

#: The tables' rows: name, default.
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", SETTINGS, re.MULTILINE))


def _pages() -> list[str]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page.read_text(encoding="utf-8") for page in pages if page.is_file()]


def _on_one_page(*patterns: str) -> bool:
    """Whether there is a page on which all of these patterns are found."""
    return any(all(re.search(pattern, page) for pattern in patterns) for page in _pages())


def _told(missing: list[str]) -> str:
    return "without a line under docs/ or in README.md: " + ", ".join(missing)


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    assert set(ROWS) == set(setting_names().values())
    assert len(re.findall(r"^\| `[A-Z_]+` \|", SETTINGS, re.MULTILINE)) == len(ROWS), "a setting has two rows"
    mentioned = set(re.findall(r"\b(?:METEOROGRAPH|OWM|WEATHERSTACK|DATABASE|LOG)_[A-Z_]*[A-Z]\b", SETTINGS))
    assert {name.removesuffix("_FILE") if name not in ROWS else name for name in mentioned} <= set(ROWS)


def test_documented_defaults_are_the_defaults() -> None:
    settings = load_settings()
    wrong = {name: ROWS[name] for field, name in setting_names().items() if ROWS[name] not in _defaults(settings, field)}
    assert wrong == {}


def _defaults(settings: Settings, field: str) -> set[str]:
    """The ways in which the default of a field may be written."""
    value = getattr(settings, field)
    if value is None or value in ([], {}):
        return {"not set"}
    if isinstance(value, timedelta):
        return {"`1h`"} if value == timedelta(hours=1) else {str(value)}
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if field == "user_agent":
        assert value == f"meteorograph/{__version__}"
        return {"`meteorograph/` and the version"}
    text = ",".join(value) if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else str(value)
    return {f"`{text}`", f"`{text.removesuffix('.0')}`"}


def test_every_route_is_documented() -> None:
    routes = [
        f"{method} {rule}"
        for rule in _application().url_map.iter_rules()
        if rule.endpoint != "static"
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    # What is variable in a route may be written in any way: <name>, {name} or NAME.
    patterns = {route: re.sub("<[^>]+>", r"[^\\s`/]+", re.escape(route)) for route in routes}
    missing = [route for route, pattern in patterns.items() if not _on_one_page(rf"\b{pattern}(?![\w/<{{])")]
    assert not missing, _told(missing)


def _application() -> Flask:
    return create_app(load_settings(scheduler_enabled=False))


def test_every_command_and_option_is_documented() -> None:
    missing = [told for told, *patterns in _commands(cli, "meteorograph") if not _on_one_page(*patterns)]
    assert not missing, _told(missing)


def _commands(group: click.Group, above: str) -> Iterator[tuple[str, ...]]:
    """Every command and long option, each with the patterns that one page has where it is documented."""
    for name, command in group.commands.items():
        path = f"{above} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, path)
            continue
        here = rf"\b{re.escape(path)}\b"
        yield path, here
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    yield f"{path} {option}", here, rf"(?<![\w-]){re.escape(option)}(?![\w-])"


def test_every_provider_is_documented() -> None:
    providers = PROVIDERS.values()
    missing = [
        provider.title for provider in providers if not _on_one_page(provider.title, provider.key_setting or provider.setting)
    ]
    assert not missing, _told(missing)
