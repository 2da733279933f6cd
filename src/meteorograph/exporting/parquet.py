"""Rows as Parquet, from the driver's values to columns without an object for a row; needs ``meteorograph[parquet]``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

from ..errors import ConfigurationError
from ..reading.columns import FIELDS, INSTANTS, Columns
from ..storage.models import WeatherData
from ..storage.upsert import table_of
from .metadata import cf_attributes

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:
    raise ConfigurationError("format=parquet needs pyarrow: pip install 'meteorograph[parquet]'") from None

#: Rows of a group: what a reader takes at once.
_GROUP: Final = 120_000
#: Texts that few rows have of their own.
_REPEATED: Final = ("location", "provider", "origin", "condition", "providers", "flags")

_MICROSECONDS: Final = pa.timestamp("us", tz="UTC")


def _type(name: str) -> Any:
    if name in INSTANTS:
        return _MICROSECONDS
    if name in _REPEATED:
        return pa.dictionary(pa.int32(), pa.string())
    return pa.int32() if table_of(WeatherData).c[name].type.python_type is int else pa.float64()


def _array(name: str, values: Sequence[Any]) -> Any:
    if name in INSTANTS:
        micros = pc.round(pc.multiply(pa.array(values, pa.float64()), 1_000_000.0))
        return pc.cast(micros, pa.int64()).cast(_MICROSECONDS)
    if name in _REPEATED:
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, _type(name))


SCHEMA: Final = pa.schema([pa.field(name, _type(name), metadata=cf_attributes(name) or None) for name in FIELDS])


class ParquetWriter:
    """A file with units and CF names in its schema, and whose data they are in its metadata."""

    def __init__(self, file: BinaryIO) -> None:
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        self._waiting: list[Any] = []
        self._count = 0

    def write(self, found: Columns) -> None:
        """Add rows."""
        arrays = [_array(name, values) for name, values in zip(FIELDS, found, strict=True)]
        self._waiting.append(pa.Table.from_arrays(arrays, schema=SCHEMA))
        self._count += len(found[0])
        if self._count >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).unify_dictionaries(), row_group_size=2 * _GROUP)
        self._waiting, self._count = [], 0

    def close(self, described: dict[str, Any]) -> None:
        """Write what is left and the metadata."""
        self._flush()
        texts = {
            key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in described.items()
        }
        self._writer.add_key_value_metadata(texts)
        self._writer.close()
