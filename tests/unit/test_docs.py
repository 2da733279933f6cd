"""The documentation names everything that exists, and nothing that does not exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest
from flask import Flask
from pydantic import SecretStr

from meteorograph import __version__
from meteorograph.cli.main import cli
from meteorograph.config.loading import load_settings, setting_names
from meteorograph.config.settings import Settings
from meteorograph.providers.registry import PROVIDERS
from meteorograph.storage import migrations
from meteorograph.web.app import create_app
from support import ROOT

SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

#: The tables' rows: name, default.
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", SETTINGS, re.MULTILINE))


def _pages() -> list[str]:
    pages = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
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


#: Documents and sources that name files.
TEXTS = [
    *ROOT.glob("*.md"),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "src").rglob("*.py")),
]


FILES = {
    f"/{file.relative_to(ROOT)}" for folder in ("src", "tests", "benchmarks", "docs") for file in (ROOT / folder).rglob("*.py")
}

#: Files that a reader makes while following an example.
EXAMPLES = {"backyard.py", "test_backyard.py", "weather_jobs.py", "heavy_work.py", "heavy_jobs.py", "package_jobs.py"}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_python_file_that_is_named_exists(path: Path) -> None:
    """``src/meteorograph/cli/main.py``, ``cli/main.py`` and ``main.py`` all name a file that exists."""
    names = set(re.findall(r"(?<![\w/.<>*{-])(?:\.\./)*((?:[\w-]+/)*[\w-]+\.py)\b", path.read_text(encoding="utf-8")))
    assert not sorted(name for name in names - EXAMPLES if not any(file.endswith(f"/{name}") for file in FILES))


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix == ".md"], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert not [link for link in links if not (path.parent / link).exists()]


CLI_PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_page_of_the_command_line_has_every_command_and_option() -> None:
    missing = [
        entry for entry, *patterns in _commands(cli, "meteorograph") if not all(re.search(part, CLI_PAGE) for part in patterns)
    ]
    assert not missing


#: Commands after a prompt in ``console`` blocks, without settings before them.
SAMPLES = [
    sample
    for page in _pages()
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for sample in re.findall(r"^\$ (?:[A-Z_]+=\S* )*meteorograph (.+)$", block, re.MULTILINE)
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_sample_commands_parse(sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"[\w-]+\.(?:csv|geojson)", sample):
        Path(name).touch()
    arguments = shlex.split(re.split(r" [|>] ?| # ", sample)[0])
    command: click.Command = cli
    context = click.Context(cli, info_name="meteorograph")
    while isinstance(command, click.Group) and arguments:
        name, arguments = arguments[0], arguments[1:]
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    command.make_context(command.name, arguments, parent=context)


#: Tests that documents name.
NAMED_TESTS = sorted({match for page in _pages() for match in re.findall(r"`(tests/[\w/]+\.py::\w+)`", page)})


@pytest.mark.parametrize("name", NAMED_TESTS)
def test_every_test_that_a_document_names_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


def test_the_sample_of_the_schema_names_the_newest_revision() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    sample = page[page.index("$ meteorograph db current") :].partition("```")[0]
    assert set(re.findall(r"\b\d{4}\b", sample)) == {migrations.newest_revision()}
