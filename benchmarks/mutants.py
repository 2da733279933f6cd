"""Print a table of mutation testing, one line per package, from the output of ``mutmut results --all true``.

    mutmut results --all true | python benchmarks/mutants.py

A mutant is killed if a test fails, or if it makes the tests run much longer. The share counts the mutants that a test reaches.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable

#: Statuses of mutmut → column; mutants with another status count as killed.
COLUMNS = {
    "survived": "survived",
    "no tests": "not reached",
    "not checked": "not checked",
    "check was interrupted by user": "not checked",
}

_LINE = re.compile(r"\s*meteorograph\.(?P<package>\w+)\.\S+: (?P<status>.+)")


def count_by_package(lines: Iterable[str]) -> dict[str, Counter[str]]:
    """Package → column → mutants; packages without a checked mutant are left out."""
    packages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if match := _LINE.fullmatch(line.rstrip()):
            packages[match["package"]][COLUMNS.get(match["status"], "killed")] += 1
    return {name: counts for name, counts in packages.items() if set(counts) != {"not checked"}}


def table(packages: dict[str, Counter[str]]) -> str:
    """A Markdown table."""
    lines = ["| package | mutants | killed | survived | not reached | killed of the reached |", "|---|---:|---:|---:|---:|---:|"]
    for name, counts in sorted(packages.items()):
        reached = counts["killed"] + counts["survived"]
        share = f"{100 * counts['killed'] / reached:.1f} %" if reached else ""
        label = f"`{name}/`" + (f" ({counts['not checked']} not checked)" if counts["not checked"] else "")
        lines.append(
            f"| {label} | {counts.total()} | {counts['killed']} | {counts['survived']} | {counts['not reached']} | {share} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(count_by_package(sys.stdin)))
