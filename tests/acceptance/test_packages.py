"""The wheel and the source distribution: complete, valid, and small."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from integration.providers.test_plugin import GUIDE, backyard
from support import KEY

__all__ = ["backyard"]

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, capture_output=True)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def files_of_the_package() -> set[str]:
    """All files under ``src`` that are no product of a run."""
    return {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_they_have_every_file_of_the_package(packages: tuple[Path, Path]) -> None:
    wheel, source = packages
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == files_of_the_package()
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {name.removeprefix("src/") for name in inside if name.startswith("src/")} == names
    assert inside - {f"src/{name}" for name in names} == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "SECURITY.md",
        "pyproject.toml",
    }
    assert source.stat().st_size < 1_000_000


@pytest.mark.parametrize("command", [["twine", "check", "--strict"], ["check-wheel-contents"]])
def test_they_pass_the_checks_of_the_index(packages: tuple[Path, Path], command: list[str]) -> None:
    checked = packages if command[0] == "twine" else packages[:1]
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([program, *command[1:], *checked], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """The programs of a new environment, to which only what ours depends on is linked: there may be no network."""
    venv.create(tmp_path / "venv", symlinks=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return tmp_path / "venv" / "bin"


def test_the_plugin_of_the_guide_is_built_installed_and_run(
    packages: tuple[Path, Path], empty: Path, backyard: str, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    module = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE, re.DOTALL))["backyard.py"]
    (project / "backyard.py").write_text(module)
    (project / "pyproject.toml").write_text(re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[0])
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=project, check=True, capture_output=True)
    (plugin,) = (project / "dist").glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(empty / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", packages[0], plugin], check=True, capture_output=True)
    settings = {"METEOROGRAPH_PROVIDERS": "backyard", "BACKYARD_API_KEY": KEY, "METEOROGRAPH_BACKYARD_BASE_URL": backyard}
    environment = {"PATH": os.environ["PATH"], **settings}
    where = [str(empty / "python"), "-c", "import backyard, meteorograph; print(backyard.__file__, meteorograph.__file__)"]
    done = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count(str(empty.parent)) == 2, "both are those of the new environment"
    command = [str(empty / "meteorograph"), "ingest", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    row = row[0] if isinstance(row, list) else row
    assert (row["provider"], row["temperature"], row["precipitation"]) == ("backyard", 10.0, 2.54)
