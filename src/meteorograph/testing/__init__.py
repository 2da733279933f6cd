"""The contract suite for providers, part of the package so that plug-ins can use it too.

The author of a provider writes ``Fixtures``: example bodies and their expected results. Then, with pytest::

    @pytest.mark.parametrize("check", checks(PROVIDER, FIXTURES), ids=str)
    def test_contract(check):
        check()

or without pytest ``check_provider(PROVIDER, FIXTURES)``. See ``docs/providers/README.md``.
"""

from __future__ import annotations

from ..providers.base import Provider
from . import rewriting  # noqa: F401  # must be imported before the modules that it rewrites
from .assertions import assert_checked, assert_gives, assert_sound_error
from .current import current_checks
from .fixtures import (
    BASE_URL,
    KEY,
    NOON,
    POINT,
    Answer,
    Batch,
    Check,
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
from .odd_members import odd_member_checks
from .past import history_checks
from .reading import assert_answer, assert_refusal, look_up, read, read_all, read_page

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
    """All checks of the suite for a provider, with unique names."""
    return [
        *metadata_checks(provider, fixtures),
        *current_checks(provider, fixtures),
        *lookup_checks(provider, fixtures),
        *history_checks(provider, fixtures),
        *odd_member_checks(provider, fixtures),
        *fuzz_checks(provider, fixtures),
    ]


def check_provider(provider: Provider, fixtures: Fixtures) -> None:
    """Run the whole suite.

    Raises:
        AssertionError: The provider violates the contract; a note names the check.
    """
    for check in checks(provider, fixtures):
        try:
            check()
        except BaseException as error:
            error.add_note(f"{provider.name}: {check.name}")
            raise
