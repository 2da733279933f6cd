"""The table of providers tells what the registry has."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meteorograph.providers.base import History, Provider
from meteorograph.providers.registry import PROVIDERS
from support import ROOT

DOCS = ROOT / "docs" / "providers"
TABLE = [line for line in (DOCS / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| [")]


def row(provider: Provider) -> str:
    """The provider's line of the table."""
    cells = (
        f"[{provider.title}]({provider.name}.md)",
        f"`{provider.name}`",
        provider.method,
        ", ".join(provider.quantities),
        "; ".join(map(reach, provider.history)) or "none",
        ", ".join(f"{limit} a {window}" for window, limit in provider.windows.items()),
        f"{provider.max_age / timedelta(hours=1):g} h",
        f"`{provider.key_setting}`" if provider.key_setting else "none",
        provider.licence,
    )
    return f"| {' | '.join(cells)} |"


def reach(history: History) -> str:
    """How far back a history goes and how late it is, with its account."""
    late = f", {history.delay.days} days late" if history.delay.days else ""
    return f"{history.account}: {f'{history.reach.days} days' if history.reach else 'without end'}{late}"


def test_the_table_is_that_of_the_registry() -> None:
    assert TABLE == [row(provider) for provider in PROVIDERS.values()]


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
def test_every_provider_has_a_page(provider: Provider) -> None:
    page = (DOCS / f"{provider.name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {provider.title}\n")
    missing = [quantity for quantity in provider.quantities if quantity not in page]
    assert not missing
    assert provider.base_url in page
    assert provider.documentation in page
