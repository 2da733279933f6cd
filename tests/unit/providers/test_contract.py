"""Every provider of the registry, held to the contract in the same way."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any, get_type_hints
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract import (
    Answer,
    Fixtures,
    Path,
    Refusal,
    assert_answer,
    assert_checked,
    assert_no_new_values,
    assert_refusal,
    assert_sound_request,
    encoded,
    fields,
    payload,
    read,
    replaced,
    with_in_every_text,
    without,
)
from meteorograph.errors import FetchError, PayloadError
from meteorograph.providers import PROVIDERS, Provider
from meteorograph.quantities import BY_NAME, QUANTITIES
from meteorograph.values import Observation, Point
from support import KEY, NOON

#: A key that a URL has to encode.
ODD_KEY = "k&y=0f1e/2d3c+4b5a 6978%"

FIXTURES: dict[str, Fixtures] = {name: import_module(f"unit.providers.fixtures.{name}").FIXTURES for name in PROVIDERS}
ANSWERS = [
    pytest.param(PROVIDERS[name], one, id=f"{name}: {one.name}") for name, all_ in FIXTURES.items() for one in all_.answers
]
REFUSALS = [
    pytest.param(PROVIDERS[name], one, id=f"{name}: {one.name}") for name, all_ in FIXTURES.items() for one in all_.refusals
]
PATHS = [
    pytest.param(PROVIDERS[name], path, id=f"{name}: {'.'.join(map(str, path))}")
    for name, all_ in FIXTURES.items()
    for path, _ in fields(all_.good)
    if path
]

each = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
fuzzed = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def good(provider: Provider) -> Observation:
    found = read(provider, payload(provider, FIXTURES[provider.name].good))
    assert isinstance(found, Observation), found
    return found


def test_the_names_of_the_cases_are_their_own() -> None:
    for one in FIXTURES.values():
        for cases in ([answer.name for answer in one.answers], [refusal.name for refusal in one.refusals]):
            assert len(cases) == len(set(cases))


@pytest.mark.parametrize(("provider", "answer"), ANSWERS)
def test_an_answer_gives_its_values(provider: Provider, answer: Answer) -> None:
    assert_answer(provider, answer)


@pytest.mark.parametrize(("provider", "refusal"), REFUSALS)
def test_a_refusal_raises_its_error(provider: Provider, refusal: Refusal) -> None:
    assert_refusal(provider, refusal)


@each
def test_the_good_body_gives_every_quantity_of_the_metadata(provider: Provider) -> None:
    found = good(provider)
    assert {name for name in BY_NAME if getattr(found, name) is not None} == provider.quantities.keys()
    assert provider.quantities.keys() <= BY_NAME.keys()
    assert found.observed_at is not None
    assert found.place is not None
    assert found.condition


@each
def test_the_metadata_is_for_people(provider: Provider) -> None:
    assert PROVIDERS[provider.name] is provider
    assert provider.title
    assert "https://" in provider.documentation
    assert "https://" in provider.attribution
    assert provider.key_setting is None or provider.key_setting.endswith("_API_KEY")


def test_the_canonical_table_has_every_number_of_an_observation() -> None:
    hints = get_type_hints(Observation)
    assert {name for name, hint in hints.items() if hint == float | None} == BY_NAME.keys()


@each
@pytest.mark.parametrize(
    "point",
    [
        *((latitude, longitude) for latitude in (-90.0, 0.0, -0.0, 90.0) for longitude in (-180.0, -0.0, 0.0, 180.0)),
        *((51.50735, -0.12776), (1e-5, -1e-5), (1e-4, -1e-4), (5e-5, 4e-320), (-89.99999, 179.99999), (33, -94)),
    ],
    ids=str,
)
def test_the_request_asks_for_its_point(provider: Provider, point: tuple[float, float]) -> None:
    for key in (KEY, ODD_KEY):
        assert_sound_request(provider, Point(*point), key)


@each
@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))
@fuzzed
def test_the_request_asks_for_any_point(provider: Provider, latitude: float, longitude: float) -> None:
    assert_sound_request(provider, Point(latitude, longitude))


@each
def test_a_body_cut_short_anywhere_cannot_be_read(provider: Provider) -> None:
    body = encoded(FIXTURES[provider.name].good)
    for end in range(len(body)):
        assert type(read(provider, payload(provider, body[:end]))) is PayloadError
        assert isinstance(read(provider, payload(provider, body[:end], status=500)), FetchError)


NOT_JSON = {
    "empty": b"",
    "blank": b" \t\r\n",
    "page": b"<!DOCTYPE html><html><body>Error</body></html>",
    "xml": b"\n<?xml version='1.0'?><current/>",
    "latin-1": '{"name": "Zürich"}'.encode("latin-1"),
    "utf-16": '{"main": 1, "current": 1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "noise": bytes(range(256)),
    "null": b"null",
    "list": b"[]",
    "object": b"{}",
    "text": b'"x"',
    "number": b"1",
    "true": b"true",
    "two": b"{}{}",
    "lists without end": b"[" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "half a surrogate": rb'{"name": "\ud800", "cod": 200}',
}


@each
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=list(NOT_JSON))
def test_a_body_that_is_no_weather_cannot_be_read(provider: Provider, body: bytes) -> None:
    assert type(read(provider, payload(provider, body))) is PayloadError
    for status in (204, 400, 401, 404, 429, 500, 503, 599):
        assert isinstance(read(provider, payload(provider, body, status=status)), FetchError)


@each
def test_a_good_body_with_something_deep_beside_it_is_read_or_refused(provider: Provider) -> None:
    start = encoded(FIXTURES[provider.name].good)[:-1]
    for depth in (10, 500, 5_000, 100_000):
        found = read(provider, payload(provider, start + b', "deep": ' + b"[" * depth + b"]" * depth + b"}"))
        assert isinstance(found, Observation | PayloadError)


@pytest.mark.parametrize(("provider", "path"), PATHS)
def test_a_field_of_a_wrong_type_makes_up_no_value(provider: Provider, path: Path) -> None:
    whole, body = good(provider), FIXTURES[provider.name].good
    wrong: tuple[object, ...] = (None, True, {}, [], [None], [[]], {"x": "y"}, "x", "")
    for value in (*wrong, 7) if isinstance(dict(fields(body))[path], dict | list) else wrong:
        found = read(provider, payload(provider, replaced(body, path, value)))
        if isinstance(found, Observation):
            assert_no_new_values(whole, found)


@pytest.mark.parametrize(("provider", "path"), PATHS)
def test_a_missing_field_makes_up_no_value(provider: Provider, path: Path) -> None:
    found = read(provider, payload(provider, without(FIXTURES[provider.name].good, path)))
    if isinstance(found, Observation):
        assert_no_new_values(good(provider), found)


@pytest.mark.parametrize(("provider", "path"), PATHS)
def test_a_number_out_of_all_bounds_is_refused_or_flagged(provider: Provider, path: Path) -> None:
    body = json.dumps(replaced(FIXTURES[provider.name].good, path, "<number>")).encode()
    whole = good(provider)
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1" + b"0" * 400, b"1" + b"0" * 5000):
        found = read(provider, payload(provider, body.replace(b'"<number>"', number)))
        if isinstance(found, Observation):
            assert_no_new_values(whole, found)
    for number in (b"1e308", b"-1e308", b"1.7976931348623157e308", b"18446744073709551616", b"-9223372036854775809", b"5e-324"):
        read(provider, payload(provider, body.replace(b'"<number>"', number)))


@each
@pytest.mark.parametrize("key", [KEY, ODD_KEY], ids=["plain", "odd"])
def test_no_error_repeats_the_key(provider: Provider, key: str) -> None:
    for refusal in FIXTURES[provider.name].refusals:
        for form in {key, quote(key, ""), quote_plus(key)}:
            said = f"/weather?appid={form}&x"
            body = refusal.body.replace(b"<", b"<!-- " + said.encode() + b" --><") if isinstance(refusal.body, bytes) else None
            for one in (body, with_in_every_text(refusal.body, said), with_in_every_text(refusal.body, "x" * 290 + form)):
                read(provider, payload(provider, one, status=refusal.status, key=key))  # which looks for the key


@each
def test_a_long_text_is_cut(provider: Provider) -> None:
    for refusal in FIXTURES[provider.name].refusals:
        read(
            provider, payload(provider, with_in_every_text(refusal.body, "no \x1b[31m\u2028\x85\n" * 1000), status=refusal.status)
        )


numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**30), 10**30))
texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8), st.sampled_from(["nan", "inf", "-1e999", "1e5", "\x00", "200"])
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(["1h", "3h", "lat", "code"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@each
@given(data=st.data())
@fuzzed
def test_any_value_in_any_field_is_read_or_refused(provider: Provider, data: st.DataObject) -> None:
    body: Any = FIXTURES[provider.name].good
    for _ in range(data.draw(st.integers(1, 4))):
        paths = [path for path, _ in fields(body) if path]
        if not paths:
            break
        path, value = data.draw(st.sampled_from(paths)), data.draw(values)
        body = without(body, path) if data.draw(st.booleans()) else replaced(body, path, value)
    read(provider, payload(provider, body, status=data.draw(st.sampled_from([200, 200, 200, 400, 429, 500]))))


@each
@given(data=st.data())
@fuzzed
def test_any_damage_to_the_bytes_is_read_or_refused(provider: Provider, data: st.DataObject) -> None:
    body = bytearray(encoded(FIXTURES[provider.name].good))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(body)))
        body[start : start + data.draw(st.integers(0, 8))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"}", b"e", b"\\u"])
        )
    read(provider, payload(provider, bytes(body)))


@given(
    st.dictionaries(
        st.sampled_from(sorted(BY_NAME)),
        st.one_of(st.floats(), st.sampled_from([-0.0, 360.0, 100.0, -273.15, 100.5, 1008371.25])),
    )
)
@fuzzed
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
