"""The state of failover: forgotten by a reset, and by the child of a fork."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from meteorograph.failover.state import FailoverState, get_state, reset_state
from support import NOON


@pytest.fixture
def state() -> Iterator[FailoverState]:
    reset_state()
    yield get_state()
    reset_state()


def test_a_reset_forgets_charges_snapshots_and_locks(state: FailoverState) -> None:
    state.unreported["openweathermap", "minute", NOON] = 3
    state.snapshots["a"] = (1,)
    with state.unreported_lock:
        reset_state()
        assert get_state().unreported == {}
        assert get_state().snapshots == {}
        assert not get_state().unreported_lock.locked()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_child_of_a_fork_starts_without_state(state: FailoverState) -> None:
    state.unreported["openweathermap", "minute", NOON] = 3
    with state.unreported_lock:
        child = os.fork()
        if not child:
            is_new = not get_state().unreported and not get_state().unreported_lock.locked()
            os._exit(0 if is_new else 1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert get_state().unreported
