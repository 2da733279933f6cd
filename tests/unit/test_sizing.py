"""The table of deployments in the docs is what its command prints."""

from __future__ import annotations

import subprocess
import sys

from support import ROOT


def test_the_table_of_deployments_is_what_its_command_prints() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "sizing.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed in (ROOT / "docs" / "deploy" / "README.md").read_text(encoding="utf-8")
