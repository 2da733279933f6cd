"""Columns as plain driver values, for reading many rows: making objects of them one by one costs more than the query."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Dialect, Float, Text, cast, func, type_coerce

from .flags import is_suspect

_FLAGS = msgspec.json.Decoder(dict[str, list[str]])


def seconds(dialect: Dialect, column: Any) -> ColumnElement[float]:
    """An instant as Unix seconds."""
    return type_coerce(column, Float()) if dialect.name == "sqlite" else func.date_part("epoch", column)


def json_text(column: Any) -> ColumnElement[str]:
    """A JSON document as its text; None where there is none."""
    return cast(column, Text)


@lru_cache(maxsize=4096)
def suspects(flags: str) -> frozenset[str]:
    """The quantities that are not to be trusted, from the text of a row's flags."""
    return frozenset(name for name, words in _FLAGS.decode(flags).items() if is_suspect(words))
