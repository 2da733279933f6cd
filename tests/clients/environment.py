"""Where the programs of others are."""

from __future__ import annotations

import shutil
from pathlib import Path

from support import ROOT, absent

_FOLDER = ROOT / ".venv-clients" / "bin"


def client_python() -> str:
    """The Python that has the clients."""
    return client_program("python")


def client_program(name: str) -> str:
    """A program of the clients' environment."""
    path = _FOLDER / name
    if not path.exists():
        absent(f"{name} in .venv-clients (make .venv-clients/.done)")
    return str(path)


def system_program(name: str, package: str) -> str:
    """A program of a Debian package."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        absent(f"{name} (the Debian package {package})")
    return str(Path(path))
