"""Rows of sealed months, in the order and form in which the table gives its rows, so that both can be merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy.orm import Session

from ..errors import StoreError
from ..storage.archive.files import FileView, archive_path, iterate_rows, read_files, read_members
from ..storage.archive.ranges import read_ranges

T = TypeVar("T")
PlainRow = tuple[Any, ...]

#: How often rows are read again because some of them were sealed or brought back meanwhile.
_MAX_ATTEMPTS: Final = 100


class SealedQuery(NamedTuple):
    """Which sealed rows to read: in ``start <= due_at < end``, and beyond the key ``after`` in the order of reading."""

    names: Sequence[str]
    location_id: int | None
    start: datetime | None
    end: datetime | None
    provider: str | None
    is_ascending: bool
    #: ``due_at`` and ``location_id``.
    after: tuple[datetime, int] | None


def read_unchanged(
    session: Session, start: datetime | None, end: datetime | None, location_ids: Sequence[int] | None, read: Callable[[], T]
) -> T:
    """What ``read`` gives, as long as no row of these locations is sealed or brought back meanwhile.

    Each statement on PostgreSQL sees the rows of its own instant, so ``read`` is called again. A transaction on SQLite sees one.

    Raises:
        StoreError: Rows are sealed all the time.
    """
    if session.get_bind().dialect.name == "sqlite":
        return read()
    for _ in range(_MAX_ATTEMPTS):
        before = _state(session, start, end, location_ids)
        result = read()
        if _state(session, start, end, location_ids) == before:
            return result
    raise StoreError("rows of this time are being sealed: try again later")


def _state(session: Session, start: datetime | None, end: datetime | None, location_ids: Sequence[int] | None) -> list[Any]:
    if location_ids is not None:
        return [(found.file_id, found.first_at) for found in read_ranges(session, location_ids, start, end)]
    return [(file.id, file.changes) for file in read_files(session, start, end)]


def read_sealed_page(session: Session, query: SealedQuery, limit: int) -> list[PlainRow]:
    """The first rows of a query in the order of ``due_at`` and ``location_id``; at most ``limit``.

    Raises:
        ArchiveError: A file is missing or damaged.
    """
    start, end = query.start, query.end
    if query.after is not None:
        start, end = (query.after[0], end) if query.is_ascending else (start, _earlier(end, query.after[0]))
    files = read_files(session, start, end)
    only = None if query.location_id is None else [query.location_id]
    rows: list[PlainRow] = []
    for _, group in groupby(files if query.is_ascending else reversed(files), attrgetter("month_at")):
        members = {file: found for file in group if (found := read_members(session, file.id, only))}
        with ExitStack() as stack:
            rows += _Page(query, limit - len(rows), members, stack).read() if members else []
        if len(rows) >= limit:
            break
    return rows


def _earlier(end: datetime | None, at: datetime) -> datetime:
    """The end that lets rows at ``at`` themselves in."""
    just_after = datetime.fromtimestamp(int(at.timestamp()) + 1, UTC)
    return just_after if end is None else min(end, just_after)


class _Page:
    """The first rows of a query in the files of a month; holds ``limit`` keys and one row group."""

    def __init__(self, query: SealedQuery, limit: int, members: Mapping[FileView, Sequence[int]], stack: ExitStack) -> None:
        from ..storage.archive import parquet_file  # its package is optional, and slow to import

        self._parquet, self._query, self._limit = parquet_file, query, limit
        #: Each row group that may have rows: its file, its number, and the sorted locations whose rows count.
        self._groups = [
            (sealed, number, ids)
            for file, ids in members.items()
            for sealed in [stack.enter_context(closing(parquet_file.SealedFile(archive_path(file.name), file.footer_sha256)))]
            for number in sealed.groups(ids)
        ]

    def read(self) -> list[PlainRow]:
        """The rows: all keys are looked at, and then the row groups that have one of the first keys are read."""
        keys: Any = None
        for index in range(len(self._groups)):
            found = self._parquet.with_index(self._select(index, ("due_at", "location_id", "provider"), keys), index)
            keys = self._first(keys, found)
        names, rows = list(dict.fromkeys((*self._query.names, "due_at", "location_id", "provider"))), None
        for index in self._parquet.indexes(keys):
            rows = self._first(rows, self._select(index, names, rows))
        return [] if rows is None else list(zip(*self._parquet.plain_columns(rows, self._query.names), strict=True))

    def _first(self, first: Any, table: Any) -> Any:
        return self._parquet.first_rows(first, table, self._limit, is_ascending=self._query.is_ascending)

    def _select(self, index: int, names: Sequence[str], first: Any) -> Any:
        """The rows of a group that the query asks for, and that come before the last one of the first rows so far."""
        query, (sealed, number, ids) = self._query, self._groups[index]
        table = self._parquet.select_rows(sealed.read_group(number, names), ids, query.start, query.end)
        if query.provider is not None:
            table = self._parquet.of_provider(table, query.provider)
        if query.after is not None:
            table = self._parquet.beyond(table, *query.after, is_later=query.is_ascending)
        if first is not None and first.num_rows >= self._limit:
            last = first.slice(first.num_rows - 1)
            key = last["due_at"][0].as_py(), last["location_id"][0].as_py()
            table = self._parquet.beyond(table, *key, is_later=not query.is_ascending)
        return table


def iterate_sealed(
    session: Session, location_ids: Sequence[int], start: datetime, end: datetime, names: Sequence[str]
) -> Iterator[PlainRow]:
    """Yield the sealed rows of locations with ``start <= due_at < end``, by location and slot.

    The names begin with ``location_id`` and ``due_at``. Holds one row group of each file.
    """
    by_file: dict[int, set[int]] = {}
    files = {file.id: file for file in read_files(session, start, end)}
    for found in read_ranges(session, location_ids, start, end) if files else ():
        by_file.setdefault(found.file_id, set()).add(found.location_id)
    sources = [iterate_rows(files[id_], names, sorted(members), start, end) for id_, members in by_file.items()]
    yield from merge(*sources, key=itemgetter(0, 1))


def merge_rows(in_table: Iterable[PlainRow], sealed: Iterable[PlainRow], key: Callable[[PlainRow], Any]) -> Iterator[PlainRow]:
    """Merge rows that are sorted by ``key``; of two rows with the same key, that of the table counts."""
    last = None
    for row in merge(in_table, sealed, key=key):  # it is stable: the row of the table comes first
        if (current := key(row)) != last:
            yield row
        last = current
