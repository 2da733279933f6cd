"""Fencing tokens: who has lost a run, or a shard of it, to another process stores nothing of it any more."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

from sqlalchemy import Integer, bindparam, column, select, table
from sqlalchemy.orm import Session

from ..errors import LostLeaseError


class Fence(NamedTuple):
    """The right to write what belongs to a run, or to one of its shards."""

    run_id: int
    #: Number of the shard; None for a run that has none.
    shard: int | None
    token: int


_RUNS: Final = table("runs", column("id", Integer), column("token", Integer))
_SHARDS: Final = table("shards", column("run_id", Integer), column("number", Integer), column("token", Integer))

# FOR SHARE: whoever takes the run or the shard waits for the end of this transaction.
_RUN_TOKEN: Final = select(_RUNS.c.token).where(_RUNS.c.id == bindparam("run_id")).with_for_update(read=True)
_SHARD_TOKEN: Final = (
    select(_SHARDS.c.token)
    .where(_SHARDS.c.run_id == bindparam("run_id"), _SHARDS.c.number == bindparam("shard"))
    .with_for_update(read=True)
)

#: The database, and the fences that hold there, in this context.
_fences: ContextVar[tuple[str, Collection[Fence]] | None] = ContextVar("fences", default=None)


@contextmanager
def fenced(database: str, fences: Collection[Fence]) -> Iterator[None]:
    """Context in which each transaction that writes to a database first makes sure that all fences hold.

    Transactions on another database, such as the fallback database, are not concerned: there nobody takes these runs.
    """
    token = _fences.set((database, fences))
    try:
        yield
    finally:
        _fences.reset(token)


def check_fences(session: Session, database: str) -> None:
    """Make sure that the fences of this context hold until the end of a transaction.

    Raises:
        LostLeaseError: Another process has taken the run or the shard.
    """
    current = _fences.get()
    if current is None or current[0] != database:
        return
    for fence in sorted(current[1]):  # one order, so that two transactions cannot deadlock
        if fence.shard is None:
            token = session.scalar(_RUN_TOKEN, {"run_id": fence.run_id})
        else:
            token = session.scalar(_SHARD_TOKEN, {"run_id": fence.run_id, "shard": fence.shard})
        if token != fence.token:
            raise LostLeaseError("another process has taken over")
