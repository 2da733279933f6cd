"""The contract suite of providers, as a part of the package, so that a provider from elsewhere is held to it too.

A provider brings ``Fixtures``: bodies written by hand after its contract, and what each must give. Then, with pytest::

    @pytest.mark.parametrize("check", checks(PROVIDER, FIXTURES), ids=str)
    def test_contract(check):
        check()

or without it ``check_provider(PROVIDER, FIXTURES)``. See ``docs/providers/README.md``.
"""

from __future__ import annotations

from ..providers.base import Provider
from . import rewriting  # noqa: F401  # before those that it rewrites
from .checks import Check
from .current import current_checks
from .fixtures import (
    BASE_URL,
    KEY,
    NOON,
    POINT,
    Answer,
    Batch,
    Fixtures,
    HistoryFixtures,
    Lookup,
    Pages,
    Refusal,
    encoded,
    payload,
    unix,
)
from .fuzz import fuzz_checks
from .lookups import lookup_checks
from .metadata import metadata_checks
from .past import history_checks
from .reading import assert_answer, assert_refusal, look_up, read, read_all, read_page
from .sound import assert_checked, assert_gives, assert_sound_error

__all__ = [
    "BASE_URL",
    "KEY",
    "NOON",
    "POINT",
    "Answer",
    "Batch",
    "Check",
    "Fixtures",
    "HistoryFixtures",
    "Lookup",
    "Pages",
    "Refusal",
    "assert_answer",
    "assert_checked",
    "assert_gives",
    "assert_refusal",
    "assert_sound_error",
    "check_provider",
    "checks",
    "encoded",
    "look_up",
    "payload",
    "read",
    "read_all",
    "read_page",
    "unix",
]


def checks(provider: Provider, fixtures: Fixtures) -> list[Check]:
    """Every check of the suite for this provider, each with a name of its own."""
    return [
        *metadata_checks(provider, fixtures),
        *current_checks(provider, fixtures),
        *lookup_checks(provider, fixtures),
        *history_checks(provider, fixtures),
        *fuzz_checks(provider, fixtures),
    ]


def check_provider(provider: Provider, fixtures: Fixtures) -> None:
    """Run the whole suite.

    Raises:
        AssertionError: The provider does not keep the contract; its note names the check.
    """
    for check in checks(provider, fixtures):
        try:
            check()
        except BaseException as error:
            error.add_note(f"{provider.name}: {check.name}")
            raise
