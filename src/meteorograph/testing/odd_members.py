"""Checks that one odd member of a body costs itself alone: everything else that the body gives stays equal.

What depends on a member is found by changing it to another value of the same type. Whatever a damage of the member changes must
be among that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import FetchError, PayloadError
from ..model.flags import Flag
from ..model.quantities import AMOUNTS, CODES, QUANTITIES
from ..model.values import Observation
from ..providers.base import Page, Provider
from .damage import WRONG_TYPES, Path, iterate_fields, path_name, remove_at, replace_at
from .fixtures import Answer, Batch, Body, Check, Fixtures, encoded, make_check, payload
from .past import HistoryCase
from .reading import read_all

#: Index of a point or time of an hour, and the name of a quantity, or ``observed_at``, ``condition`` or ``place``.
Key = tuple[object, str]


@dataclass(frozen=True)
class Result:
    """What a body gives."""

    #: Values with their flags, except ``unreadable``.
    items: Mapping[Key, object]
    #: Keys with the flag ``unreadable``.
    unreadable: frozenset[Key]


Read = Callable[[Body], Result | None]

#: What an observation has beside its values, and its codes: they alone are no observation.
_BESIDE: Final = ("condition", "observed_at", "place")
WORDS: Final = frozenset({*_BESIDE, *CODES})
NAMES: Final = (*(quantity.name for quantity in QUANTITIES), *_BESIDE)

_MARK: Final = "<odd member>"
#: Of the many bodies beside the good ones, each member is only damaged in some ways.
_SOME_WRONG_TYPES: Final[tuple[object, ...]] = (True, {}, "x")
_NAN: Final = (b"NaN", b"-nan", b"nan", b"Infinity", b"-Infinity", b"1e999")


def odd_member_checks(provider: Provider, fixtures: Fixtures) -> Iterator[Check]:
    """Checks of all bodies of the fixtures that give weather."""

    answers = [Answer("good", fixtures.good, {"": ""}), *fixtures.answers]
    bodies: set[bytes] = set()
    for answer in answers:
        if isinstance(answer.body, dict | list) and _is_sound(answer.gives) and encoded(answer.body) not in bodies:
            bodies.add(encoded(answer.body))
            read_answer = _answer_reader(provider, fixtures, answer)
            yield make_check(_each_member_costs_itself_alone, fixtures, read_answer, answer.body, case=answer.name)
    for batch in fixtures.batches:
        if isinstance(batch.body, list) and all(one is None or _is_sound(one) for one in batch.gives):
            read_batch = _batch_reader(provider, batch)
            yield make_check(_each_member_costs_itself_alone, fixtures, read_batch, batch.body, case=f"batch, {batch.name}")
    for history, own in zip(provider.history, fixtures.histories, strict=False):
        past = HistoryCase(provider, history, fixtures, own)
        case = f"{history.account}, past"
        yield make_check(_each_member_costs_itself_alone, fixtures, _history_reader(past), own.good, case=case)


def _history_reader(past: HistoryCase) -> Read:
    return lambda body: _result_of_page(past.read(body))


def _is_sound(gives: object) -> bool:
    """Whether a body gives weather, and has no odd members itself."""
    return bool(gives) and not isinstance(gives, type) and Flag.UNREADABLE not in repr(gives)


def _answer_reader(provider: Provider, fixtures: Fixtures, answer: Answer) -> Read:
    def read(body: Body) -> Result | None:
        points = [answer.point or fixtures.point]
        response = payload(
            provider, body, status=answer.status, params=answer.params, fetched_at=answer.fetched_at, points=points
        )
        return _result_of_points(read_all(provider, response, 1))

    return read


def _batch_reader(provider: Provider, batch: Batch) -> Read:
    return lambda body: _result_of_points(read_all(provider, payload(provider, body, points=batch.points), len(batch.points)))


def _result_of_points(outcomes: Sequence[Observation | PayloadError | None] | FetchError | PayloadError) -> Result | None:
    return None if isinstance(outcomes, FetchError | PayloadError) else _result(enumerate(outcomes))


def _result_of_page(page: Page | FetchError | PayloadError) -> Result | None:
    return _result((one.observed_at, one) for one in page.observations) if isinstance(page, Page) else None


def _result(outcomes: Iterable[tuple[object, Observation | PayloadError | None]]) -> Result:
    items: dict[Key, object] = {}
    unreadable: set[Key] = set()
    for key, one in outcomes:
        if not isinstance(one, Observation):
            continue
        unreadable |= {(key, name) for name, words in one.flags.items() if words[0].startswith(Flag.UNREADABLE)}
        for name in NAMES:
            flags = [word for word in one.flags.get(name, ()) if not word.startswith(Flag.UNREADABLE)]
            value = getattr(one, name)
            if value is not None or flags:
                items[key, name] = value, flags, one.precipitation_period if name == "precipitation" else None
    return Result(items, frozenset(unreadable))


def _each_member_costs_itself_alone(fixtures: Fixtures, read: Read, body: Any) -> None:
    is_good, good = body is fixtures.good or any(body is own.good for own in fixtures.histories), read(body)
    assert good is not None, "the body gives an error"
    leaves = {path: value for path, value in iterate_fields(body) if path and not (isinstance(value, dict | list) and value)}
    dependents = {path: _dependents(read, body, good, path, value) for path, value in leaves.items()}
    for path, value in iterate_fields(body):
        if not path or _is_essential(fixtures, path):
            continue
        case, own = path_name(path), _below(dependents, path)
        without = read(replace_at(body, path, None))
        if own and isinstance(value, int | float) and not isinstance(value, bool):
            as_text = _differences(read(replace_at(body, path, str(value))), good)
            assert {name for _, name in as_text} <= {"condition", "place"}, f"{case} as text"
            marked = encoded(replace_at(body, path, _MARK))
            for word in _NAN if is_good else _NAN[:2]:
                assert read(marked.replace(f'"{_MARK}"'.encode(), word)) == without, f"{case} is {word!r}"
        _assert_costs(without, good, own, f"{case} null")
        # Without one element, the others of its list and of the lists beside it may have another meaning.
        shifted = own | _below(dependents, path[:-2] or path[:-1]) if isinstance(path[-1], int) else own
        _assert_costs(read(remove_at(body, path)), good, shifted, f"{case} missing")
        for odd in (*WRONG_TYPES, 7) if is_good else _SOME_WRONG_TYPES:
            if odd is None or type(odd) is type(value) or (isinstance(odd, int) and isinstance(value, float)):
                continue
            if isinstance(odd, str) and not own and not isinstance(value, str):
                continue  # an unused member that a text may take the place of
            result = read(replace_at(body, path, odd))
            # An object may hold members that are not used, but that one is still flagged.
            extra = result.unreadable - own if result is not None and path not in leaves else frozenset()
            _assert_costs(result, good, own | extra if len(extra) == 1 else own, f"{case} is {odd!r}")
            if result is not None and isinstance(path[-1], str):
                _assert_flagged(result, good, f"{case} is {odd!r}")


def _is_essential(fixtures: Fixtures, path: Path) -> bool:
    name = path_name(tuple(part for part in path if isinstance(part, str)))
    return any(f"{essential}.".startswith(f"{name}." if name else "") for essential in fixtures.essential)


def _dependents(read: Read, body: Any, good: Result, path: Path, value: object) -> frozenset[Key]:
    """The keys that differ if a member has another value of its type; all if the body gives an error then."""
    others: tuple[object, ...]
    if isinstance(value, bool):
        others = (not value,)
    elif isinstance(value, int | float):
        others = (value * 1.07 + 1.3, value + 0.5, 0 if value else 1, value - 900)
    elif isinstance(value, str):
        others = (f"{value}x", "x", "0")
    else:  # null or an empty container may be of any type
        others = (1.5, 7, "x", [1.5], {"x": 1.5})
    return frozenset().union(*(_differences(read(replace_at(body, path, other)), good) for other in others))


def _below(dependents: Mapping[Path, frozenset[Key]], path: Path) -> frozenset[Key]:
    return frozenset().union(*(keys for leaf, keys in dependents.items() if leaf[: len(path)] == path))


def _differences(result: Result | None, good: Result) -> frozenset[Key]:
    if result is None:
        return frozenset(good.items)
    keys = result.items.keys() | good.items.keys()
    return frozenset(key for key in keys if result.items.get(key) != good.items.get(key))


def _assert_costs(result: Result | None, good: Result, own: frozenset[Key], case: str) -> None:
    others = _differences(result, good) - own
    kept = {key for key, _ in result.items} if result is not None else set()
    # Without any value that is more than an implied amount of 0, the words and the place of an observation are lost too.
    for key in {key for key, _ in others} - kept:
        names = {name for other, name in others if other == key and not _is_implied(name, good.items[key, name])}
        if names <= WORDS:
            others = frozenset(other for other in others if other[0] != key)
    changes = (f"{name}: {good.items.get((key, name))} → {result and result.items.get((key, name))}" for key, name in others)
    assert not others, f"{case} changes {', '.join(changes)}"


def _is_implied(name: str, item: object) -> bool:
    """Whether a value is only implied; an amount of 0 may be implied by another amount."""
    return Flag.IMPLIED_ZERO in repr(item) or (name in AMOUNTS and isinstance(item, tuple) and item[0] == 0)


def _assert_flagged(result: Result, good: Result, case: str) -> None:
    """An observation that lost a value has the flag ``unreadable`` at some quantity."""
    flagged = {key for key, _ in result.unreadable}
    flagged |= {
        key for key, name in _differences(result, good) & result.items.keys() & good.items.keys() if name == "observed_at"
    }
    for key, name in good.items.keys() - result.items.keys():
        if name not in WORDS and key in {key for key, _ in result.items}:
            assert key in flagged, f"{case}: {name} is lost without a flag"
