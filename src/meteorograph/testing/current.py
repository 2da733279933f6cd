"""Checks of what a provider's parser makes of answers, of refusals and of damaged bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from ..errors import FetchError, MeteorographError, PayloadError
from ..model.quantities import BY_NAME
from ..model.values import Observation, Payload
from ..providers.base import Provider
from .checks import ODD_KEY, Check, check, path_name
from .damage import GREAT_NUMBERS, NO_NUMBERS, NOT_JSON, Path, paths, replaced, with_in_every_text, without, wrong_at
from .fixtures import KEY, Batch, Body, Fixtures, encoded, payload
from .reading import assert_answer, assert_refusal, read, read_all
from .sound import assert_gives, assert_no_new_values

_STATUSES = (204, 400, 401, 404, 429, 500, 503, 599)


def current_checks(provider: Provider, fixtures: Fixtures) -> Iterator[Check]:
    """Checks of ``Provider.parse``."""
    for answer in fixtures.answers:
        yield check(_answer, provider, fixtures, answer, of=answer.name)
    for refusal in fixtures.refusals:
        yield check(_refusal, provider, fixtures, refusal, of=refusal.name)
    for batch in fixtures.batches:
        yield check(_batch, provider, batch, of=batch.name)
        yield check(_damaged_batch, provider, batch, of=batch.name)
    if provider.most > 1:
        yield check(_there_are_batches, fixtures)
    yield check(_the_good_body_gives_every_quantity_of_the_metadata, provider, fixtures)
    yield check(_a_body_cut_short_anywhere_cannot_be_read, provider, fixtures)
    for name, body in NOT_JSON.items():
        yield check(_no_weather, provider, fixtures, body, of=name)
    yield check(_a_good_body_with_something_deep_in_it_is_read_or_refused, provider, fixtures)
    for path in paths(fixtures.good):
        yield check(_wrong_type, provider, fixtures, path, of=path_name(path))
        yield check(_missing, provider, fixtures, path, of=path_name(path))
        yield check(_out_of_bounds, provider, fixtures, path, of=path_name(path))
    if provider.key_setting:
        yield check(_no_error_repeats_the_key, provider, fixtures, KEY, of="plain")
        yield check(_no_error_repeats_the_key, provider, fixtures, ODD_KEY, of="odd")
    yield check(_a_long_text_is_cut, provider, fixtures)


def of_point(provider: Provider, fixtures: Fixtures, body: Body, *, status: int = 200, key: str = KEY) -> Payload:
    """The payload of a call for the one point of the fixtures."""
    return payload(provider, body, status=status, key=key, points=[fixtures.point])


def good(provider: Provider, fixtures: Fixtures) -> Observation:
    """What the good body gives."""
    found = read(provider, of_point(provider, fixtures, fixtures.good))
    assert isinstance(found, Observation), found
    return found


def _answer(provider: Provider, fixtures: Fixtures, answer: Any) -> None:
    assert_answer(provider, answer, fixtures.point)


def _refusal(provider: Provider, fixtures: Fixtures, refusal: Any) -> None:
    assert_refusal(provider, refusal, fixtures.point)


def _batch(provider: Provider, batch: Batch) -> None:
    assert len(batch.points) <= provider.most
    found = read_all(provider, payload(provider, batch.body, points=batch.points), len(batch.points))
    assert not isinstance(found, MeteorographError), found
    for observation, gives in zip(found, batch.gives, strict=True):
        if gives is None or observation is None:
            assert observation is None, observation
            assert gives is None, "nothing for a point"
        else:
            assert_gives(observation, gives, whole=False)


def _damaged_batch(provider: Provider, batch: Batch) -> None:
    """Whatever is gone or of a wrong type, there is an answer or None for each point, or an error for all."""
    for path in paths(batch.body):
        for body in (without(batch.body, path), replaced(batch.body, path, None), replaced(batch.body, path, [])):
            read_all(provider, payload(provider, body, points=batch.points), len(batch.points))


def _there_are_batches(fixtures: Fixtures) -> None:
    assert any(len(batch.points) > 1 for batch in fixtures.batches), "the fixtures have no body for several points"


def _the_good_body_gives_every_quantity_of_the_metadata(provider: Provider, fixtures: Fixtures) -> None:
    found = good(provider, fixtures)
    assert {name for name in BY_NAME if getattr(found, name) is not None} == provider.quantities.keys()
    assert found.observed_at is not None
    for name in ("place", "condition"):
        assert (getattr(found, name) is None) == (name in fixtures.lacks), name


def _may_be_nothing(fixtures: Fixtures, status: int, body: bytes) -> bool:
    """Whether the fixtures say that this answer means that there is nothing for the point."""
    return any(
        answer.gives is None and answer.status == status and (status == 204 or encoded(answer.body).strip() == body.strip())
        for answer in fixtures.answers
    )


def _a_body_cut_short_anywhere_cannot_be_read(provider: Provider, fixtures: Fixtures) -> None:
    body = encoded(fixtures.good)
    for end in range(len(body)):
        assert type(read(provider, of_point(provider, fixtures, body[:end]))) is PayloadError
        assert isinstance(read(provider, of_point(provider, fixtures, body[:end], status=500)), FetchError)


def _no_weather(provider: Provider, fixtures: Fixtures, body: bytes) -> None:
    for status in (200, *_STATUSES):
        found = read(provider, of_point(provider, fixtures, body, status=status))
        if found is None:
            assert _may_be_nothing(fixtures, status, body), "nothing for the point, though the fixtures have no such answer"
        else:
            assert type(found) is PayloadError if status == 200 else isinstance(found, FetchError), found


def _a_good_body_with_something_deep_in_it_is_read_or_refused(provider: Provider, fixtures: Fixtures) -> None:
    start, key = encoded(fixtures.good)[:-1], b"" if isinstance(fixtures.good, list) else b'"deep": '
    for depth in (10, 500, 5_000, 100_000):
        end = b"]" if isinstance(fixtures.good, list) else b"}"
        deep = of_point(provider, fixtures, start + b", " + key + b"[" * depth + b"]" * depth + end)
        assert isinstance(read(provider, deep), Observation | PayloadError)


def _wrong_type(provider: Provider, fixtures: Fixtures, path: Path) -> None:
    whole = good(provider, fixtures)
    for value in wrong_at(fixtures.good, path):
        _makes_up_nothing(provider, fixtures, whole, replaced(fixtures.good, path, value))


def _missing(provider: Provider, fixtures: Fixtures, path: Path) -> None:
    _makes_up_nothing(provider, fixtures, good(provider, fixtures), without(fixtures.good, path))


def _makes_up_nothing(provider: Provider, fixtures: Fixtures, whole: Observation, body: Body) -> None:
    found = read(provider, of_point(provider, fixtures, body))
    if isinstance(found, Observation):
        assert_no_new_values(whole, found)


def _out_of_bounds(provider: Provider, fixtures: Fixtures, path: Path) -> None:
    whole, body = good(provider, fixtures), json.dumps(replaced(fixtures.good, path, "<number>")).encode()
    for number in NO_NUMBERS:
        _makes_up_nothing(provider, fixtures, whole, body.replace(b'"<number>"', number))
    for number in GREAT_NUMBERS:
        read(provider, of_point(provider, fixtures, body.replace(b'"<number>"', number)))


def _no_error_repeats_the_key(provider: Provider, fixtures: Fixtures, key: str) -> None:
    for refusal in fixtures.refusals:
        for form in {key, quote(key, ""), quote_plus(key)}:
            said = f"/weather?appid={form}&x"
            body = refusal.body.replace(b"<", b"<!-- " + said.encode() + b" --><") if isinstance(refusal.body, bytes) else None
            for one in (body, with_in_every_text(refusal.body, said), with_in_every_text(refusal.body, "x" * 290 + form)):
                read(provider, of_point(provider, fixtures, one, status=refusal.status, key=key))  # which looks for the key


def _a_long_text_is_cut(provider: Provider, fixtures: Fixtures) -> None:
    for refusal in fixtures.refusals:
        long = with_in_every_text(refusal.body, "no \x1b[31m\u2028\x85\n" * 1000)
        read(provider, of_point(provider, fixtures, long, status=refusal.status))
