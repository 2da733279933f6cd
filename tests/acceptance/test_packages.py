"""The wheel and the source distribution: complete, valid, and small."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

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
