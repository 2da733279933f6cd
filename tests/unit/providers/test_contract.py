"""Every provider of the registry, held to the contract in the same way."""

from __future__ import annotations

from importlib import import_module
from typing import get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meteorograph.model.quantities import BY_NAME, QUANTITIES
from meteorograph.model.values import Observation
from meteorograph.providers.registry import PROVIDERS
from meteorograph.reading.columns import FIELDS
from meteorograph.reading.rows import WeatherRow
from meteorograph.testing import Check, Fixtures, assert_checked, checks
from support import NOON

FIXTURES: dict[str, Fixtures] = {
    name: import_module(f"unit.providers.fixtures.{name.replace('-', '_')}").FIXTURES for name in PROVIDERS
}
CHECKS = [
    pytest.param(check, id=f"{name}: {check}")
    for name, provider in PROVIDERS.items()
    for check in checks(provider, FIXTURES[name])
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_contract_is_kept(check: Check) -> None:
    check()


def test_providers_are_registered_under_their_names() -> None:
    assert [provider.name for provider in PROVIDERS.values()] == list(PROVIDERS)


def test_observations_rows_and_columns_have_the_quantities_of_the_canonical_table_in_its_order() -> None:
    for names in (Observation.__struct_fields__, WeatherRow.__struct_fields__, FIELDS):
        assert [name for name in names if name in BY_NAME] == list(BY_NAME)
    numbers = {name for name, hint in get_type_hints(Observation).items() if hint in (float | None, int | None)}
    assert numbers - {"precipitation_period"} == BY_NAME.keys()


@given(
    st.dictionaries(
        st.sampled_from(sorted(BY_NAME)),
        st.one_of(st.floats(), st.sampled_from([-0.0, 360.0, 100.0, -273.15, 100.5, 1008371.25])),
    )
)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_check_flags_the_impossible_and_leaves_the_rest(given_values: dict[str, float]) -> None:
    observation = Observation(provider="any", fetched_at=NOON, observed_at=None)
    flags = {"precipitation": ["implied_zero"]} if given_values.get("precipitation") == 0 else {}
    finite = {name: value for name, value in given_values.items() if value == value}
    assert_checked(msgspec.structs.replace(observation, **finite, flags=flags))


def test_check_tells_what_a_value_was() -> None:
    for quantity in QUANTITIES:
        low, high = quantity.possible
        for bound, beyond in ((low, -1.0625), (high, 1.0625)):
            if bound is None:
                continue
            at_bound, outside = float(bound), bound + beyond
            one = Observation(provider="any", fetched_at=NOON, observed_at=None, **{quantity.name: at_bound})  # type: ignore[arg-type]
            assert_checked(one)
            assert_checked(msgspec.structs.replace(one, **{quantity.name: outside}))
