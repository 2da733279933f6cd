"""Tables of the command line: plain and of any width in a pipe, coloured and as wide as the terminal on one."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from meteorograph.cli import output
from meteorograph.cli.main import cli
from meteorograph.cli.output import Column, print_table

COLUMNS = (Column("name", wraps=True), Column("slots", is_number=True), Column("state", is_state=True), Column("empty"))
ROWS = [("Athens [red]", "1", "succeeded", ""), ("Bergen " + "long " * 30, "1,000", "failed", "")]


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def _shown_on_terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "60", **environment}.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    print_table(COLUMNS, ROWS)
    return stream.getvalue()


def test_a_pipe_gets_plain_text_of_any_width(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("Athens [red]  ")
    assert lines[1].endswith("      1  succeeded")
    assert lines[2].endswith("long   1,000  failed")
    assert "\x1b" not in "".join(lines)
    assert "empty" not in lines[0]


def test_a_terminal_gets_colours_and_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _shown_on_terminal(monkeypatch)
    assert "\x1b[32msucceeded" in shown
    assert "\x1b[31mfailed" in shown
    assert "Athens [red]" in shown, "text is no markup"
    assert max(len(re.sub("\x1b\\[[0-9;]*m", "", line)) for line in shown.splitlines()) <= 60
    assert shown.count("long") == 30, "nothing is cut"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _shown_on_terminal(monkeypatch, NO_COLOR="1")
    assert "succeeded" in shown
    assert not re.search("\x1b\\[[0-9;]*3[0-9]", shown)


def test_a_long_table_is_plain_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_MAX_RICH_ROWS", 1)
    assert "\x1b" not in _shown_on_terminal(monkeypatch)


def test_help_does_not_import_rich() -> None:
    code = (
        "import sys; from meteorograph.cli.main import cli; cli.main(['--help'], standalone_mode=False);"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('rich', 'sqlalchemy', 'flask')]"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_package_is_a_command() -> None:
    ended = subprocess.run([sys.executable, "-m", "meteorograph", "--version"], capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("meteorograph ")


def test_help_shows_descriptions_in_full() -> None:
    for command in ([], ["locations"]):
        text = CliRunner().invoke(cli, [*command, "--help"]).output
        _, _, commands = text.partition("\nCommands:\n")
        assert commands
        assert "..." not in commands
        assert max(map(len, commands.splitlines())) <= 80
