"""Writes rows as Parquet, from columns of driver values without an object per row. Needs ``meteorograph[parquet]``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

from ..errors import ConfigurationError
from ..reading.columns import FIELDS, Columns
from .field_types import FIELD_TYPES, FieldType
from .metadata import cf_attributes

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:
    raise ConfigurationError("format=parquet needs pyarrow: pip install 'meteorograph[parquet]'") from None

#: Number of rows of a row group, which a reader loads at once.
_GROUP_ROWS: Final = 120_000
_MICROSECONDS: Final = pa.timestamp("us", tz="UTC")


#: Texts have few distinct values, so they are dictionary-encoded.
_ARROW_TYPES: Final = {
    FieldType.INSTANT: _MICROSECONDS,
    FieldType.TEXT: pa.dictionary(pa.int32(), pa.string()),
    FieldType.INTEGER: pa.int64(),
    FieldType.NUMBER: pa.float64(),
}


def _to_array(name: str, values: Sequence[Any]) -> Any:
    if FIELD_TYPES[name] is FieldType.INSTANT:
        micros = pc.round(pc.multiply(pa.array(values, pa.float64()), 1_000_000.0))
        return pc.cast(micros, pa.int64()).cast(_MICROSECONDS)
    if FIELD_TYPES[name] is FieldType.TEXT:
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, _ARROW_TYPES[FIELD_TYPES[name]])


SCHEMA: Final = pa.schema(
    [pa.field(name, _ARROW_TYPES[kind], metadata=cf_attributes(name) or None) for name, kind in FIELD_TYPES.items()]
)


class ParquetWriter:
    """Writes a file with units and CF names in its schema and with providers and licences in its metadata."""

    def __init__(self, file: BinaryIO) -> None:
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        self._pending: list[Any] = []
        self._count = 0

    def write(self, columns: Columns) -> None:
        """Add rows."""
        arrays = [_to_array(name, values) for name, values in zip(FIELDS, columns, strict=True)]
        self._pending.append(pa.Table.from_arrays(arrays, schema=SCHEMA))
        self._count += len(columns[0])
        if self._count >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.concat_tables(self._pending).unify_dictionaries(), row_group_size=2 * _GROUP_ROWS)
        self._pending, self._count = [], 0

    def close(self, metadata: dict[str, Any]) -> None:
        """Write the remaining rows and the metadata."""
        self._flush()
        texts = {
            key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in metadata.items()
        }
        self._writer.add_key_value_metadata(texts)
        self._writer.close()
