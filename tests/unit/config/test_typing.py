"""A type checker finds a setting with a misspelt name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support import ROOT

SNIPPET = """
from meteorograph.config.settings import Settings

def read(s: Settings) -> list[object]:
    return [
        s.concurrency,
        s.account("openweathermap").limits,
        s.concurency,
        s.owm_base_ulr,
    ]
"""


def test_mypy_knows_the_names_of_the_settings(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET, encoding="utf-8")
    # A cache of its own, since other options than those of the project invalidate the project's cache.
    options = ["--strict", "--follow-imports=silent", "--no-error-summary", f"--cache-dir={ROOT / '.mypy_cache' / 'snippet'}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(snippet)],
        capture_output=True,
        text=True,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        check=False,
    )
    errors = [line.partition("error: ")[2].partition("  [")[0] for line in done.stdout.splitlines()]
    assert errors == [
        '"Settings" has no attribute "concurency"; maybe "concurrency"?',
        '"Settings" has no attribute "owm_base_ulr"',
    ], done.stderr
