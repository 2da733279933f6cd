"""Checks of a provider's histories: requests, pages, and the start of the next page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, timedelta
from urllib.parse import quote, quote_plus

from ..errors import FetchError, PayloadError
from ..model.values import Payload
from ..providers.base import History, Page, Provider
from .assertions import assert_asks_for, assert_gives, assert_no_new_values, assert_sound_request
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
from .fixtures import BASE_URL, KEY, NOON, ODD_KEY, Body, Check, Fixtures, HistoryFixtures, Pages, Refusal, encoded, make_check
from .reading import assert_raised, read_page


class HistoryCase:
    """A history with its fixtures, and the payloads of calls to it."""

    def __init__(self, provider: Provider, history: History, fixtures: Fixtures, own: HistoryFixtures) -> None:
        self.provider, self.history, self.fixtures, self.own = provider, history, fixtures, own

    def payload(self, body: Body, *, status: int = 200, key: str = KEY) -> Payload:
        """The payload of a call for the hours of the fixtures with the answer ``body``."""
        own, used_key = self.own, key if self.provider.key_setting else ""
        request = self.history.request(BASE_URL, self.fixtures.point, own.start, own.end, used_key)
        return Payload(request, status, encoded(body), max(NOON, own.end))

    def read(self, body: Body, *, status: int = 200, key: str = KEY) -> Page | FetchError | PayloadError:
        """Parse this payload; gives the page or the error."""
        return read_page(self.provider, self.history, self.payload(body, status=status, key=key))

    def parse_good(self) -> Page:
        """The page of the good body."""
        result = self.read(self.own.good)
        assert isinstance(result, Page), result
        return result


def history_checks(provider: Provider, fixtures: Fixtures) -> Iterator[Check]:
    """Checks of every history of the provider."""
    yield make_check(_each_history_has_fixtures, provider, fixtures)
    for history, own in zip(provider.history, fixtures.histories, strict=False):
        past, name = HistoryCase(provider, history, fixtures, own), history.account
        yield make_check(_the_metadata_of_a_history_can_be_used, past, case=name)
        yield make_check(_a_request_asks_for_its_hours, past, case=name)
        yield make_check(_a_good_page, past, case=name)
        yield make_check(_a_page_cut_short_cannot_be_read, past, case=name)
        yield make_check(_a_page_that_is_no_weather_cannot_be_read, past, case=name)
        yield make_check(_no_error_of_a_history_repeats_the_key, past, case=name)
        for answer in own.answers:
            yield make_check(_pages, past, answer, case=f"{name}: {answer.name}")
        for refusal in own.refusals:
            yield make_check(_refusal_of_a_history, past, refusal, case=f"{name}: {refusal.name}")
        for path in paths(own.good):
            yield make_check(_damaged_page, past, path, case=f"{name}: {path_name(path)}")


def _each_history_has_fixtures(provider: Provider, fixtures: Fixtures) -> None:
    assert len(provider.history) == len(fixtures.histories)


def _the_metadata_of_a_history_can_be_used(past: HistoryCase) -> None:
    history, own = past.history, past.own
    assert history.span > timedelta(0)
    assert history.delay >= timedelta(0)
    assert history.reach is None or history.reach > history.delay
    assert (history.account == past.provider.name) or history.windows, "its own account has no windows"
    assert (history.setting is None) == (history.account == past.provider.name and history.base_url is None)
    assert own.start <= own.end <= own.start + history.span
    costs = [history.cost(own.start, own.start + hours * timedelta(hours=1)) for hours in (0, 1, 24, 240)]
    assert all(type(cost) is int and cost >= 1 for cost in costs), costs
    assert costs == sorted(costs), "more hours cost fewer calls"


def _a_request_asks_for_its_hours(past: HistoryCase) -> None:
    base_url, provider = f"{BASE_URL}/base/", past.provider
    point, own, requests = past.fixtures.point, past.own, set()
    for key in (KEY, ODD_KEY) if provider.key_setting else ("",):
        for hours in (0, 1, 2):
            request = past.history.request(base_url, point, own.start + hours * timedelta(hours=1), own.end, key)
            assert_sound_request(provider, request, base_url, key)
            requests.add((request.url, *request.params.values(), *request.secrets.values()))
            if point.station is None:
                assert_asks_for(request.params, [point])
    assert len(requests) == (6 if provider.key_setting else 3), "requests with different starts are equal"


def _a_good_page(past: HistoryCase) -> None:
    page = past.parse_good()
    assert page.observations
    for observation in page.observations:
        assert observation.observed_at is not None
        assert observation.observed_at.tzinfo is UTC
    if page.next_start is not None:
        assert page.next_start > past.own.start, "the next page starts at the same hour"


def _pages(past: HistoryCase, answer: Pages) -> None:
    response = past.payload(answer.body)
    response.request.params.update(answer.params)
    page = read_page(past.provider, past.history, response)
    assert isinstance(page, Page), page
    assert page.next_start == answer.next_start
    assert len(page.observations) == len(answer.gives)
    for observation, gives in zip(page.observations, answer.gives, strict=True):
        assert_gives(observation, gives, whole=answer.whole)


def _refusal_of_a_history(past: HistoryCase, refusal: Refusal) -> None:
    request = past.payload(refusal.body).request
    response = Payload(request, refusal.status, encoded(refusal.body), refusal.fetched_at, refusal.retry_after)
    assert_raised(read_page(past.provider, past.history, response), refusal)


def _a_page_cut_short_cannot_be_read(past: HistoryCase) -> None:
    body = encoded(past.own.good)
    for end in range(len(body)):
        assert type(past.read(body[:end])) is PayloadError


def _a_page_that_is_no_weather_cannot_be_read(past: HistoryCase) -> None:
    for name, body in NOT_JSON.items():
        result = past.read(body)
        nothing = isinstance(result, Page) and not result.observations
        assert type(result) is PayloadError or (nothing and name in ("list", "blank", "empty")), f"{name}: {result!r}"
        for status in (400, 401, 404, 429, 500, 503, 599):
            result = past.read(body, status=status)
            assert isinstance(result, FetchError) or (isinstance(result, Page) and not result.observations), f"{name} {status}"


def _no_error_of_a_history_repeats_the_key(past: HistoryCase) -> None:
    for refusal in past.own.refusals if past.provider.key_setting else ():
        for key in (KEY, ODD_KEY):
            for form in {key, quote(key, ""), quote_plus(key)}:
                past.read(append_to_texts(refusal.body, f"?appid={form}&x"), status=refusal.status, key=key)


def _damaged_page(past: HistoryCase, path: Path) -> None:
    """With a missing, wrong or extreme value, no value is invented, and none is assigned to another hour."""
    body = past.own.good
    original = {observation.observed_at: observation for observation in past.parse_good().observations}
    marked = json.dumps(replace_at(body, path, "<number>")).encode()
    damaged: list[Body] = [remove_at(body, path), *(replace_at(body, path, value) for value in wrong_types_at(body, path))]
    damaged += [marked.replace(b'"<number>"', number) for number in INVALID_NUMBERS]
    for damaged_body in damaged:
        result = past.read(damaged_body)
        for observation in result.observations if isinstance(result, Page) else ():
            assert observation.observed_at in original, f"{observation.observed_at} is invented"
            assert_no_new_values(original[observation.observed_at], observation)
    for number in EXTREME_NUMBERS:
        past.read(marked.replace(b'"<number>"', number))
