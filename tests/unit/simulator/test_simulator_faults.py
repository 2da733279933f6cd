"""The grammar of faults, and which call a rule falls on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meteorograph.errors import ConfigurationError
from meteorograph.simulator.faults import Faults
from meteorograph.simulator.rules import KINDS, parse
from meteorograph.simulator.tally import Call

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALL = Call("openweathermap", "demo", 51.5, -0.13, AT)
NEEDED = {"latency": "ms=1", "status": "code=500", "huge": "mb=1", "slow": "ms=1"}


def kind_of(spec: str, call: Call = CALL, number: int = 1) -> str | None:
    rule = Faults(spec, seed=1).decide(call, number).rule
    return rule.kind if rule else None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_asked_for(kind: str) -> None:
    (rule,) = parse(f"kind={kind} {NEEDED.get(kind, '')}")
    assert rule.kind == kind


def test_rules_are_separated_by_semicolons_and_line_ends() -> None:
    assert [rule.kind for rule in parse(" kind=reset ;\n kind=empty\nkind=null;;")] == ["reset", "empty", "null"]
    assert parse("") == ()


def test_words_are_read_into_values() -> None:
    (rule,) = parse(
        "kind=status code=429 retry_after=60 provider=weatherstack place=51.5,-0.13 key=k=1 p=0.5 count=3 "
        "since=2026-01-01T00:00Z until=2026-01-02T00:00+01:00"
    )
    assert (rule.code, rule.retry_after, rule.provider, rule.place) == (429, 60, "weatherstack", (51.5, -0.13))
    assert (rule.key, rule.p, rule.count) == ("k=1", 0.5, 3)
    assert rule.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert rule.until == datetime(2026, 1, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "word", "allowed"),
    [
        ("kind=boom", "'boom'", "latency, timeout"),
        ("p=1", "kind is missing", "latency"),
        ("kind=reset now", "'now'", "key=value"),
        ("kind=reset p=", "'p='", "key=value"),
        ("kind=reset p=1 p=1", "'p'", "twice"),
        ("kind=reset ms=5", "'ms'", "provider, place, key"),
        ("kind=latency", "ms=", "needs"),
        ("kind=latency ms=-1", "'-1'", "milliseconds"),
        ("kind=status code=418", "'418'", "401, 429, 500, 502, 503"),
        ("kind=status code=many", "'many'", "401"),
        ("kind=html code=42", "'42'", "200 to 599"),
        ("kind=reset provider=dwd", "'dwd'", "one of openweathermap, openweathermap-onecall, weatherstack, open-meteo"),
        ("kind=reset place=51.5", "'51.5'", "latitude,longitude"),
        ("kind=reset place=91,0", "'91,0'", "latitude,longitude"),
        ("kind=reset p=2", "'2'", "0 to 1"),
        ("kind=reset p=nan", "'nan'", "0 to 1"),
        ("kind=reset count=1.5", "'1.5'", "whole"),
        ("kind=reset until=2026-01-01T00:00", "'2026-01-01T00:00'", "zone"),
    ],
)
def test_a_bad_spec_is_refused_with_the_word_and_what_is_allowed(spec: str, word: str, allowed: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse(f"kind=empty; {spec}")
    assert word in str(refusal.value)
    assert allowed in str(refusal.value)


@pytest.mark.parametrize(
    ("selector", "hit"),
    [
        ("provider=openweathermap", True),
        ("provider=weatherstack", False),
        ("key=demo", True),
        ("key=other", False),
        ("place=51.51,-0.12", True),
        ("place=51.52,-0.13", False),
        ("place=51.5,-0.15", False),
        ("since=2026-01-01T12:00Z", True),
        ("since=2026-01-01T12:01Z", False),
        ("until=2026-01-01T12:01Z", True),
        ("until=2026-01-01T12:00Z", False),
        ("p=1", True),
        ("p=0", False),
        ("count=0", False),
    ],
)
def test_a_selector_narrows_a_rule(selector: str, hit: bool) -> None:
    assert kind_of(f"kind=reset {selector}") == ("reset" if hit else None)


def test_a_place_reaches_over_the_date_line_and_not_to_calls_without_a_point() -> None:
    call = Call("openweathermap", "demo", 0, -179.996, AT)
    assert kind_of("kind=reset place=0,180", call) == "reset"
    assert kind_of("kind=reset place=0,0", Call("openweathermap", "demo", None, None, AT)) is None


def test_the_first_rule_wins_and_latency_adds_up() -> None:
    verdict = Faults("kind=latency ms=200; kind=latency ms=50; kind=null; kind=latency ms=9; kind=empty", 1)
    delay, rule = verdict.decide(CALL, 1)
    assert delay == pytest.approx(0.25)
    assert rule is not None
    assert rule.kind == "null"
    assert [used for _, used in verdict.usage()] == [1, 1, 1, 0, 0]


def test_count_is_of_the_calls_the_rule_fell_on() -> None:
    faults = Faults("kind=reset count=2 provider=weatherstack; kind=empty", 1)
    other = Call("weatherstack", "demo", 1, 1, AT)
    kinds = [rule.kind for call in (CALL, other, other, other) if (rule := faults.decide(call, 1).rule)]
    assert kinds == ["empty", "reset", "reset", "empty"]


def test_probability_is_decided_by_seed_and_number() -> None:
    def hits(seed: int) -> list[int]:
        faults = Faults("kind=reset p=0.1", seed)
        return [number for number in range(1, 2001) if faults.decide(CALL, number).rule]

    assert hits(1) == hits(1) != hits(2)
    assert 140 < len(hits(1)) < 260
