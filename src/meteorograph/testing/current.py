"""Checks of a provider's parser with answers, refusals and damaged bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from ..errors import FetchError, MeteorographError, PayloadError
from ..model.quantities import BY_NAME
from ..model.values import Observation, Payload
from ..providers.base import Provider
from .assertions import assert_gives, assert_no_new_values
from .damage import (
    EXTREME_NUMBERS,
    INVALID_NUMBERS,
    NOT_JSON,
    Path,
    append_to_texts,
    path_name,
    paths,
    remove_at,
    replace_at,
    wrong_types_at,
)
from .fixtures import KEY, ODD_KEY, Batch, Body, Check, Fixtures, encoded, make_check, payload
from .reading import assert_answer, assert_refusal, read, read_all

_STATUSES = (204, 400, 401, 404, 429, 500, 503, 599)


def current_checks(provider: Provider, fixtures: Fixtures) -> Iterator[Check]:
    """Checks of ``Provider.parse``."""
    for answer in fixtures.answers:
        yield make_check(_answer, provider, fixtures, answer, case=answer.name)
    for refusal in fixtures.refusals:
        yield make_check(_refusal, provider, fixtures, refusal, case=refusal.name)
    for batch in fixtures.batches:
        yield make_check(_batch, provider, batch, case=batch.name)
        yield make_check(_damaged_batch, provider, batch, case=batch.name)
    if provider.most > 1:
        yield make_check(_there_are_batches, fixtures)
    yield make_check(_the_good_body_gives_every_quantity_of_the_metadata, provider, fixtures)
    yield make_check(_a_truncated_body_is_an_error, provider, fixtures)
    for name, body in NOT_JSON.items():
        yield make_check(_no_weather, provider, fixtures, body, case=name)
    yield make_check(_a_deeply_nested_body_is_parsed_or_refused, provider, fixtures)
    for path in paths(fixtures.good):
        yield make_check(_wrong_type, provider, fixtures, path, case=path_name(path))
        yield make_check(_missing, provider, fixtures, path, case=path_name(path))
        yield make_check(_out_of_bounds, provider, fixtures, path, case=path_name(path))
    if provider.key_setting:
        yield make_check(_no_error_repeats_the_key, provider, fixtures, KEY, case="plain")
        yield make_check(_no_error_repeats_the_key, provider, fixtures, ODD_KEY, case="odd")
    yield make_check(_a_long_text_is_truncated, provider, fixtures)


def payload_for_point(provider: Provider, fixtures: Fixtures, body: Body, *, status: int = 200, key: str = KEY) -> Payload:
    """The payload of a call for the point of the fixtures."""
    return payload(provider, body, status=status, key=key, points=[fixtures.point])


def parse_good(provider: Provider, fixtures: Fixtures) -> Observation:
    """The observation of the good body."""
    result = read(provider, payload_for_point(provider, fixtures, fixtures.good))
    assert isinstance(result, Observation), result
    return result


def _answer(provider: Provider, fixtures: Fixtures, answer: Any) -> None:
    assert_answer(provider, answer, fixtures.point)


def _refusal(provider: Provider, fixtures: Fixtures, refusal: Any) -> None:
    assert_refusal(provider, refusal, fixtures.point)


def _batch(provider: Provider, batch: Batch) -> None:
    assert len(batch.points) <= provider.most
    result = read_all(provider, payload(provider, batch.body, points=batch.points), len(batch.points))
    assert not isinstance(result, MeteorographError), result
    for observation, gives in zip(result, batch.gives, strict=True):
        if isinstance(gives, Mapping):
            assert isinstance(observation, Observation), observation
            assert_gives(observation, gives, whole=False)
        else:
            assert observation is None if gives is None else type(observation) is gives, observation


def _damaged_batch(provider: Provider, batch: Batch) -> None:
    """With a missing or wrong value, each point has an observation or None, or the whole call fails."""
    for path in paths(batch.body):
        for body in (remove_at(batch.body, path), replace_at(batch.body, path, None), replace_at(batch.body, path, [])):
            read_all(provider, payload(provider, body, points=batch.points), len(batch.points))


def _there_are_batches(fixtures: Fixtures) -> None:
    assert any(len(batch.points) > 1 for batch in fixtures.batches), "the fixtures have no body for several points"


def _the_good_body_gives_every_quantity_of_the_metadata(provider: Provider, fixtures: Fixtures) -> None:
    result = parse_good(provider, fixtures)
    assert {name for name in BY_NAME if getattr(result, name) is not None} == provider.quantities.keys()
    assert result.observed_at is not None
    for name in ("place", "condition"):
        assert (getattr(result, name) is None) == (name in fixtures.lacks), name


def _may_be_nothing(fixtures: Fixtures, status: int, body: bytes) -> bool:
    """Whether this answer means, according to the fixtures, that there are no data for the point."""
    return any(
        answer.gives is None and answer.status == status and (status == 204 or encoded(answer.body).strip() == body.strip())
        for answer in fixtures.answers
    )


def _a_truncated_body_is_an_error(provider: Provider, fixtures: Fixtures) -> None:
    body = encoded(fixtures.good)
    for end in range(len(body)):
        assert type(read(provider, payload_for_point(provider, fixtures, body[:end]))) is PayloadError
        assert isinstance(read(provider, payload_for_point(provider, fixtures, body[:end], status=500)), FetchError)


def _no_weather(provider: Provider, fixtures: Fixtures, body: bytes) -> None:
    for status in (200, *_STATUSES):
        result = read(provider, payload_for_point(provider, fixtures, body, status=status))
        if result is None:
            assert _may_be_nothing(fixtures, status, body), "no observation, but the fixtures have no such answer"
        else:
            assert type(result) is PayloadError if status == 200 else isinstance(result, FetchError), result


def _a_deeply_nested_body_is_parsed_or_refused(provider: Provider, fixtures: Fixtures) -> None:
    start, key = encoded(fixtures.good)[:-1], b"" if isinstance(fixtures.good, list) else b'"deep": '
    for depth in (10, 500, 5_000, 100_000):
        end = b"]" if isinstance(fixtures.good, list) else b"}"
        deep = payload_for_point(provider, fixtures, start + b", " + key + b"[" * depth + b"]" * depth + end)
        assert isinstance(read(provider, deep), Observation | PayloadError)


def _wrong_type(provider: Provider, fixtures: Fixtures, path: Path) -> None:
    original = parse_good(provider, fixtures)
    for value in wrong_types_at(fixtures.good, path):
        _assert_nothing_invented(provider, fixtures, original, replace_at(fixtures.good, path, value))


def _missing(provider: Provider, fixtures: Fixtures, path: Path) -> None:
    _assert_nothing_invented(provider, fixtures, parse_good(provider, fixtures), remove_at(fixtures.good, path))


def _assert_nothing_invented(provider: Provider, fixtures: Fixtures, original: Observation, body: Body) -> None:
    result = read(provider, payload_for_point(provider, fixtures, body))
    if isinstance(result, Observation):
        assert_no_new_values(original, result)


def _out_of_bounds(provider: Provider, fixtures: Fixtures, path: Path) -> None:
    original, body = parse_good(provider, fixtures), json.dumps(replace_at(fixtures.good, path, "<number>")).encode()
    for number in INVALID_NUMBERS:
        _assert_nothing_invented(provider, fixtures, original, body.replace(b'"<number>"', number))
    for number in EXTREME_NUMBERS:
        read(provider, payload_for_point(provider, fixtures, body.replace(b'"<number>"', number)))


def _no_error_repeats_the_key(provider: Provider, fixtures: Fixtures, key: str) -> None:
    for refusal in fixtures.refusals:
        for form in {key, quote(key, ""), quote_plus(key)}:
            text = f"/weather?appid={form}&x"
            body = refusal.body.replace(b"<", b"<!-- " + text.encode() + b" --><") if isinstance(refusal.body, bytes) else None
            for damaged in (body, append_to_texts(refusal.body, text), append_to_texts(refusal.body, "x" * 290 + form)):
                # ``read`` asserts that the error does not show the key.
                read(provider, payload_for_point(provider, fixtures, damaged, status=refusal.status, key=key))


def _a_long_text_is_truncated(provider: Provider, fixtures: Fixtures) -> None:
    for refusal in fixtures.refusals:
        long = append_to_texts(refusal.body, "no \x1b[31m\u2028\x85\n" * 1000)
        read(provider, payload_for_point(provider, fixtures, long, status=refusal.status))
