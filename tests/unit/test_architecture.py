"""Who may import whom. A stop of the datum's walk knows no other stop; only the conductors know the order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

import pytest

import meteorograph

ROOT = Path(meteorograph.__file__).parent

#: Everyone may use these: values, errors, settings, logs and the clock; they know none of the modules below.
COMMON = (
    "meteorograph",
    "clock",
    "durations",
    "errors",
    "flags",
    "logs",
    "quantities",
    "redaction",
    "settings",
    "tallies",
    "values",
)
TABLES = ("db", "tables", "upsert")

#: What each stop may import beside ``COMMON`` and its own package.
STOPS: dict[str, tuple[str, ...]] = {
    "schedule": (),
    "fetch": (),
    "journal": (),
    "providers": (),
    "check": TABLES,  # for ``check_states.py`` alone
    "ledger": (*TABLES, "schedule"),  # the schedule is pure: whoever wants to know which slots are due asks it
    "quota": TABLES,
    "store": (*TABLES, "rollups"),
    "overview": TABLES,
    "series": (*TABLES, "schedule", "units"),
}

#: The conductors, and what each may import beside the stops, ``COMMON`` and ``TABLES``.
CONDUCTORS: dict[str, tuple[str, ...]] = {
    "gate": ("accounts", "adapt", "standin"),
    "pace": (),
    "sources": ("gate",),
    "stations": ("sources",),
    "ask": ("http_cache", "sources", "stations"),
    "observe": ("ask", "sources"),
    "ingest": ("accounts", "locations", "observe", "sources"),
    "line": (),
    "engine": ("ask", "line", "observe", "sources"),
    "heal": ("accounts", "demand", "gate", "heal", "history", "ingest", "lease", "plan"),
    "collect": ("accounts", "engine", "ingest", "line", "locations", "pace", "sources", "standin"),
}

#: Modules that are closed to all but those named.
CLOSED: dict[str, tuple[str, ...]] = {
    "collect": ("ticks", "cli_ingest"),
    "fetch": (*CONDUCTORS,),
    "web": ("meteorograph", "serve"),
    "cli": (),
}

#: What the web may not import, and where it may after all.
CLOSED_TO_WEB = ("fetch", "providers", *CONDUCTORS)
OPEN_TO_WEB = {
    "web.ledger": ("heal_book", "providers"),
    "web.quota": ("providers",),
    "web.ingest": ("ingest",),
    "web.page.course": ("providers",),
    "web.page.frame": ("providers",),
}

#: The simulator must not know what it tests.
CLOSED_TO_SIMULATOR = ("providers", "fetch", *CONDUCTORS)


class Import(NamedTuple):
    """One import of one of our modules, wherever in a file it stands."""

    by: str
    of: str
    line: int

    def __str__(self) -> str:
        return f"{self.by} imports {self.of} (line {self.line})"


def _name(path: Path) -> str:
    parts = ["meteorograph", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py")) if "versions" not in path.parts}


def _imports(name: str, source: str, *, package: bool) -> Iterator[Import]:
    """Every import of ours in a source: at the top, in functions and for type checkers alike."""
    for node in ast.walk(ast.parse(source)):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), name if package else name.rpartition(".")[0])
            # ``from . import schedule`` names a module, ``from .values import Payload`` what is in one.
            found = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names]
        for target in found:
            if target.partition(".")[0] == "meteorograph":
                yield Import(_short(name), _short(target), getattr(node, "lineno", 0))


def _short(name: str) -> str:
    return name.removeprefix("meteorograph.")


ALL = [
    found
    for name, path in MODULES.items()
    for found in _imports(name, path.read_text(encoding="utf-8"), package=path.name == "__init__.py")
]


def _in(name: str, modules: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or in one of these packages; a part of the settings counts as the settings."""
    return any(name == module or name.startswith((f"{module}.", f"{module}_")) for module in modules)


def _told(wrong: list[Import]) -> str:
    return "\n".join(["", *map(str, wrong)])


@pytest.mark.parametrize("stop", STOPS)
def test_no_stop_imports_another(stop: str) -> None:
    allowed = (*COMMON, *STOPS[stop], stop)
    wrong = [found for found in ALL if _in(found.by, (stop,)) and not _in(found.of, allowed)]
    assert not wrong, _told(wrong)


@pytest.mark.parametrize("conductor", CONDUCTORS)
def test_conductors_know_the_stops_and_no_more(conductor: str) -> None:
    allowed = (*COMMON, *TABLES, *STOPS, *CONDUCTORS[conductor])
    wrong = [found for found in ALL if _in(found.by, (conductor,)) and not _in(found.of, allowed)]
    assert not wrong, _told(wrong)


def test_what_all_may_use_knows_none_of_them() -> None:
    higher = (*STOPS, *CONDUCTORS, *TABLES, "web", "scheduler", "serve", "simulator", "cli", "locations")
    excused = {
        ("settings", "providers"),
        ("settings_files", "providers"),
        ("settings_providers", "providers"),
    }  # the settings ask the registry which names there are
    lower = tuple(name for name in COMMON if name != "meteorograph")  # the package names what it lends out
    wrong = [found for found in ALL if _in(found.by, lower) and _in(found.of, higher) and (found.by, found.of) not in excused]
    assert not wrong, _told(wrong)


@pytest.mark.parametrize("module", CLOSED)
def test_closed_modules_are_imported_only_where_they_may(module: str) -> None:
    wrong = [found for found in ALL if _in(found.of, (module,)) and not _in(found.by, (module, *CLOSED[module]))]
    assert not wrong, _told(wrong)


def test_the_web_does_not_collect() -> None:
    wrong = [
        found
        for found in ALL
        if _in(found.by, ("web",)) and _in(found.of, CLOSED_TO_WEB) and not _in(found.of, OPEN_TO_WEB.get(found.by, ()))
    ]
    assert not wrong, _told(wrong)


def test_the_simulator_does_not_know_what_it_tests() -> None:
    wrong = [found for found in ALL if _in(found.by, ("simulator",)) and _in(found.of, CLOSED_TO_SIMULATOR)]
    assert not wrong, _told(wrong)


def test_only_fetch_speaks_http() -> None:
    clients = {"pyreqwest", "httpx", "aiohttp", "requests", "urllib3"}
    speakers = {
        _short(name)
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in clients and not node.level)
        or (isinstance(node, ast.Import) and clients & {alias.name.split(".")[0] for alias in node.names})
    }
    assert speakers == {"fetch"}


def test_every_name_in_the_tables_is_a_module() -> None:
    named = {*COMMON, *TABLES, *STOPS, *CONDUCTORS, *CLOSED, *OPEN_TO_WEB, *CLOSED_TO_WEB, *CLOSED_TO_SIMULATOR}
    assert named - {_short(name) for name in MODULES} == set()


@pytest.mark.parametrize(
    "source",
    [
        "from .store import row",
        "from . import store",
        "from meteorograph.store import row",
        "from meteorograph import store",
        "import meteorograph.store",
        "import meteorograph.store as s",
        "def f():\n    from .store import row",
        "if TYPE_CHECKING:\n    from .store import row",
        "class A:\n    async def f(self):\n        import meteorograph.store",
    ],
)
def test_an_import_is_seen_however_it_is_written(source: str) -> None:
    assert [found.of for found in _imports("meteorograph.ledger", source, package=False)] == ["store"]
    deeper = source.replace("from .", "from ..")
    assert [found.of for found in _imports("meteorograph.web.page", deeper, package=False)] == ["store"]
    assert [found.of for found in _imports("meteorograph.web", deeper, package=True)] == ["store"]
