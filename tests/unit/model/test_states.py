"""The states have the texts of the tables, in JSON and wherever they are written out."""

from __future__ import annotations

import json
from enum import StrEnum

import msgspec
import pytest
from sqlalchemy import CheckConstraint, Table

from meteorograph.model.flags import SUSPECT, Flag, is_suspect
from meteorograph.model.states import KeyState, LocationState, MissedReason, Origin, RunState
from meteorograph.storage.models import Base


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("runs", "state IN ('pending', 'running', 'succeeded', 'partial', 'failed', 'missed')"),
        (
            "missed",
            (
                "reason IN ('down', 'stopped', 'database', 'internal', 'unrecorded', 'quota', 'provider_error', 'payload_error', "
                "'store_error', 'late')"
            ),
        ),
        ("locations", "state IN ('active', 'paused', 'unscheduled')"),
        ("accounts", "key_state IN ('untested', 'pending', 'active', 'invalid', 'plan_missing', 'blocked')"),
        ("weather_data", "origin IN ('live', 'backfill', 'import')"),
    ],
)
def test_the_tables_allow_the_states(table: str, condition: str) -> None:
    found = Base.metadata.tables[table]
    assert isinstance(found, Table)
    assert condition in {str(check.sqltext) for check in found.constraints if isinstance(check, CheckConstraint)}


@pytest.mark.parametrize("kind", [RunState, MissedReason, LocationState, KeyState, Origin, Flag])
def test_a_member_is_its_text(kind: type[StrEnum]) -> None:
    for member in kind:
        assert f"{member}" == str(member) == member.value == member.name.lower()
        assert json.dumps({member: [member]}) == msgspec.json.encode({member: [member]}).decode().replace(":", ": ")


def test_a_flag_with_its_value_is_a_text_of_its_own() -> None:
    assert f"{Flag.IMPOSSIBLE}:-5572" == "impossible:-5572"
    assert not is_suspect(["impossible:-5572", "implied_zero"])
    assert is_suspect(["duplicate", "step"])
    assert (
        frozenset(
            {"rejected", "range", "step", "level", "persistence", "inconsistent", "stale", "future", "old", "level_unknown"}
        )
        == SUSPECT
    )
