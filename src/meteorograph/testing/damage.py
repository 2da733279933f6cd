"""Damaged bodies: fields of a wrong type, out of bounds, or missing; and bodies that are no JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

NOT_JSON: Final = {
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

WRONG_TYPES: Final[tuple[object, ...]] = (None, True, {}, [], [None], [[]], {"x": "y"}, "x", "")
INVALID_NUMBERS: Final = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1" + b"0" * 400, b"1" + b"0" * 5000)
EXTREME_NUMBERS: Final = (
    b"1e308",
    b"-1e308",
    b"1.7976931348623157e308",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"5e-324",
)

Path = tuple[str | int, ...]


def iterate_fields(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """All values inside a JSON value with their paths, starting with the value itself."""
    yield path, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from iterate_fields(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from iterate_fields(item, (*path, index))


def path_name(path: Path) -> str:
    """A path inside a JSON value as one word."""
    return ".".join(map(str, path))


def paths(value: object) -> list[Path]:
    """The paths of all values inside a JSON value."""
    return [path for path, _ in iterate_fields(value) if path]


def wrong_types_at(value: object, path: Path) -> tuple[object, ...]:
    """Values of other types than the value at ``path``; another number is no wrong type for a number."""
    return (*WRONG_TYPES, 7) if isinstance(dict(iterate_fields(value))[path], dict | list) else WRONG_TYPES


def change_at(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy of a JSON value, with the value at ``path`` changed."""
    if not path:
        return change(value)
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = change_at(copy[path[0]], path[1:], change)
    return copy


def replace_at(value: Any, path: Path, by: object) -> Any:
    """A copy of a JSON value, with ``by`` at ``path``."""
    return change_at(value, path, lambda _: by)


def remove_at(value: Any, path: Path) -> Any:
    """A copy of a JSON value, without the value at ``path``."""

    def drop(container: Any) -> Any:
        if isinstance(container, dict):
            return {name: item for name, item in container.items() if name != path[-1]}
        return [item for index, item in enumerate(container) if index != path[-1]]

    return change_at(value, path[:-1], drop)


def append_to_texts(value: Any, text: str) -> Any:
    """A copy of a JSON value, with ``text`` appended to all texts."""
    if isinstance(value, dict):
        return {name: append_to_texts(item, text) for name, item in value.items()}
    if isinstance(value, list):
        return [append_to_texts(item, text) for item in value]
    return f"{value} {text}" if isinstance(value, str) else value
