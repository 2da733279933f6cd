"""Checks with generated damage; they are only run if Hypothesis is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from ..model.values import RequestPoint
from ..providers.base import Provider
from .current import payload_for_point
from .damage import paths, remove_at, replace_at
from .fixtures import Check, Fixtures, encoded, make_check
from .metadata import the_request_asks_for_its_point
from .reading import read


def fuzz_checks(provider: Provider, fixtures: Fixtures) -> Iterator[Check]:
    """Requests for random points, bodies with random values and random bytes; reproducible."""
    if find_spec("hypothesis"):
        yield make_check(_the_request_asks_for_any_point, provider, fixtures)
        yield make_check(_any_value_in_any_field_is_parsed_or_refused, provider, fixtures)
        yield make_check(_any_damage_to_the_bytes_is_parsed_or_refused, provider, fixtures)


def _fuzzed() -> Any:
    from hypothesis import HealthCheck, settings

    slow = [HealthCheck.too_slow]
    return settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=slow)


def _the_request_asks_for_any_point(provider: Provider, fixtures: Fixtures) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    @_fuzzed()  # type: ignore[untyped-decorator]  # Hypothesis may not be installed
    @given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))
    def run(latitude: float, longitude: float) -> None:
        the_request_asks_for_its_point(provider, fixtures, RequestPoint(latitude, longitude, fixtures.point.station))

    run()


def _values() -> Any:
    """A strategy for small JSON values."""
    from hypothesis import strategies as st

    numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**30), 10**30))
    odd = st.sampled_from(["nan", "inf", "-1e999", "1e5", "\x00", "200"])
    texts = st.one_of(st.text(st.characters(codec="utf-8"), max_size=8), odd)
    names = texts | st.sampled_from(["1h", "3h", "lat", "code"])
    return st.recursive(
        st.one_of(st.none(), st.booleans(), numbers, texts),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=5,
    )


def _any_value_in_any_field_is_parsed_or_refused(provider: Provider, fixtures: Fixtures) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    values = _values()

    @_fuzzed()  # type: ignore[untyped-decorator]  # Hypothesis may not be installed
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        body: Any = fixtures.good
        for _ in range(data.draw(st.integers(1, 4))):
            if not (all_paths := paths(body)):
                break
            path, value = data.draw(st.sampled_from(all_paths)), data.draw(values)
            body = remove_at(body, path) if data.draw(st.booleans()) else replace_at(body, path, value)
        status = data.draw(st.sampled_from([200, 200, 200, 400, 429, 500]))
        read(provider, payload_for_point(provider, fixtures, body, status=status))

    run()


def _any_damage_to_the_bytes_is_parsed_or_refused(provider: Provider, fixtures: Fixtures) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    parts = st.binary(max_size=4) | st.sampled_from([b'"', b"}", b"e", b"\\u"])

    @_fuzzed()  # type: ignore[untyped-decorator]  # Hypothesis may not be installed
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        body = bytearray(encoded(fixtures.good))
        for _ in range(data.draw(st.integers(1, 5))):
            start = data.draw(st.integers(0, len(body)))
            body[start : start + data.draw(st.integers(0, 8))] = data.draw(parts)
        read(provider, payload_for_point(provider, fixtures, bytes(body)))

    run()
