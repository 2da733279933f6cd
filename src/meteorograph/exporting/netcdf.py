"""Writes rows as netCDF-4: time series of stations after the CF conventions. Needs ``meteorograph[netcdf]``.

The rows of a location follow each other, as an export reads them: the contiguous ragged array of CF 1.11, section 9.3.3.
h5netcdf writes the file: it needs h5py and numpy only, and no C library of netCDF that could differ from that of a reader.

Source: https://cfconventions.org/Data/cf-conventions/cf-conventions-1.11/cf-conventions.html
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

from ..errors import ConfigurationError
from ..model import clock
from ..model.flags import Flag
from ..model.quantities import QUANTITIES, Quantity
from ..reading.columns import FIELDS, Columns
from .metadata import cf_attributes

try:
    import h5netcdf
    import h5py
    import numpy as np
except ImportError:
    raise ConfigurationError("format=netcdf needs h5netcdf: pip install 'meteorograph[netcdf]'") from None

_TEXT: Final = h5py.string_dtype("utf-8")
_EPOCH: Final = "seconds since 1970-01-01 00:00:00"
_NO_INTEGER: Final = np.int32(-2147483647)
#: Rows of a chunk of the file.
_CHUNK_ROWS: Final = 4096
#: Flag → its bit in a variable of flags.
_BITS: Final = {flag.value: 1 << number for number, flag in enumerate(Flag)}
_COORDINATES: Final = "time lat lon alt station_name"
#: Text field → what it says.
_TEXTS: Final = {
    "provider": "provider of the observation",
    "origin": "live: collected in its slot; backfill: read later from a history",
    "condition": "weather in the words of the provider",
}
_TIMES: Final = {"observed_at": "time of the measurement, and end of the period of amounts", "fetched_at": "time of the request"}


class Station(Protocol):
    """A location of the export."""

    @property
    def name(self) -> str: ...
    @property
    def latitude(self) -> float: ...
    @property
    def longitude(self) -> float: ...
    @property
    def elevation(self) -> float | None: ...


class NetCDFWriter:
    """Writes a file of these stations.

    Args:
        path: The file.
        stations: All locations, in the order in which their rows come.
    """

    def __init__(self, path: Path, stations: Sequence[Station]) -> None:
        self._file = h5netcdf.File(path, "w")
        self._row_sizes = {station.name: 0 for station in stations}
        self._count = 0
        self._times: tuple[float, float] | None = None
        self._file.dimensions = {"station": len(stations), "obs": None}
        self._write_stations(stations)
        self._make_variables()

    def write(self, columns: Columns) -> None:
        """Add rows, location by location."""
        data = dict(zip(FIELDS, columns, strict=True))
        count = len(columns[0])
        for name, own in Counter(columns[0]).items():
            self._row_sizes[name] += own
        begin, self._count = self._count, self._count + count
        self._file.resize_dimension("obs", self._count)
        rows = slice(begin, self._count)
        self._put("time", data["due_at"], rows)
        edges = (*data["due_at"], *(self._times or ()))
        self._times = float(min(edges)), float(max(edges))
        for name in _TIMES:
            self._put(name, data[name], rows)
        for name in _TEXTS:
            self._file[name][rows] = np.array([text or "" for text in data[name]], dtype=object)
        for quantity in QUANTITIES:
            self._put(quantity.name, data[quantity.name], rows)
            self._file[f"{quantity.name}_qc"][rows] = _flag_bits(quantity.name, data["flags"])
        self._put("precipitation_period", data["precipitation_period"], rows)

    def close(self, metadata: Mapping[str, Any]) -> None:
        """Write the sizes and the metadata, and close the file."""
        self._file["row_size"][:] = np.array(list(self._row_sizes.values()), dtype="i4")
        for name, value in self._global_attributes(metadata).items():
            self._file.attrs[name] = value
        self._file.close()

    def _put(self, name: str, values: Sequence[Any], rows: slice) -> None:
        variable = self._file[name]
        if variable.dtype.kind == "i":
            variable[rows] = np.array([_NO_INTEGER if value is None else value for value in values], dtype="i4")
        else:
            variable[rows] = np.array(values, dtype="f8")  # None becomes NaN

    def _write_stations(self, stations: Sequence[Station]) -> None:
        name = self._file.create_variable("station_name", ("station",), _TEXT)
        name.attrs.update({"long_name": "name of the location", "cf_role": "timeseries_id"})
        name[:] = np.array([station.name for station in stations], dtype=object)
        for variable, values, attributes in (
            ("lat", [one.latitude for one in stations], {"units": "degrees_north", "standard_name": "latitude", "axis": "Y"}),
            ("lon", [one.longitude for one in stations], {"units": "degrees_east", "standard_name": "longitude", "axis": "X"}),
            (
                "alt",
                [one.elevation for one in stations],
                {"units": "m", "standard_name": "altitude", "axis": "Z", "positive": "up"},
            ),
        ):
            made = self._file.create_variable(variable, ("station",), "f8", fillvalue=np.nan)
            made.attrs.update({"long_name": f"{attributes['standard_name']} of the location", **attributes})
            made[:] = np.array(values, dtype="f8")
        sizes = self._file.create_variable("row_size", ("station",), "i4")
        sizes.attrs.update({"long_name": "number of observations of the location", "sample_dimension": "obs"})

    def _make_variables(self) -> None:
        self._make("time", "f8", {"long_name": "time at which the observation was due", "standard_name": "time", "axis": "T"})
        for name, text in _TIMES.items():
            self._make(name, "f8", {"long_name": text})
        for name in ("time", *_TIMES):
            self._file[name].attrs.update({"units": _EPOCH, "calendar": "standard", "units_metadata": "leap_seconds: none"})
        for name, text in _TEXTS.items():
            self._make(name, _TEXT, {"long_name": text, "coordinates": _COORDINATES})
        for quantity in QUANTITIES:
            self._make(quantity.name, "i4" if quantity.is_code else "f8", _attributes(quantity))
            self._make(f"{quantity.name}_qc", "i4", _flag_attributes(quantity.name))
        period = {"long_name": "period of the amounts", "units": "s", "coordinates": _COORDINATES}
        self._make("precipitation_period", "i4", period)

    def _make(self, name: str, kind: Any, attributes: Mapping[str, Any]) -> None:
        fill = {"f8": np.nan, "i4": _NO_INTEGER}.get(kind) if isinstance(kind, str) else None
        is_flags = name.endswith("_qc")
        variable = self._file.create_variable(
            name, ("obs",), kind, chunks=(_CHUNK_ROWS,), fillvalue=None if is_flags else fill, compression="gzip"
        )
        variable.attrs.update(attributes)

    def _global_attributes(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        providers = metadata.get("providers", ())
        licences = sorted({provider["licence"] for provider in providers})
        return {
            "Conventions": metadata.get("Conventions", ""),
            "featureType": "timeSeries",
            "title": metadata.get("title", ""),
            "source": metadata.get("source", ""),
            "institution": "; ".join(provider["title"] for provider in providers) or "none",
            "history": f"{clock.now():%Y-%m-%dT%H:%M:%SZ} written by {metadata.get('source', '')}",
            "references": "https://cfconventions.org",
            "comment": "; ".join(provider["attribution"] for provider in providers) or "no provider",
            "license": "; ".join(licences) or "none",
            "date_created": metadata.get("date_created", ""),
            **{
                f"time_coverage_{edge}": datetime.fromtimestamp(seconds, UTC).isoformat()
                for edge, seconds in zip(("start", "end"), self._times or (), strict=False)
            },
        }


def _attributes(quantity: Quantity) -> dict[str, Any]:
    words = quantity.name.replace("_", " ")
    attributes: dict[str, Any] = {"long_name": words, **cf_attributes(quantity.name)}
    if quantity.unit == "°C":
        attributes["units_metadata"] = "temperature: on_scale"
    if quantity.is_amount:
        attributes["cell_methods"] = "time: sum"
        attributes["comment"] = (
            "Amount of the time before observed_at that precipitation_period gives; of unknown length without it."
        )
    if quantity.is_code:
        attributes["comment"] = "Code of WMO table 4677."
    return attributes | {"coordinates": _COORDINATES, "ancillary_variables": f"{quantity.name}_qc"}


def _flag_attributes(name: str) -> dict[str, Any]:
    return {
        "long_name": f"flags of {name.replace('_', ' ')}",
        "standard_name": "quality_flag",
        "flag_masks": np.array(list(_BITS.values()), dtype="i4"),
        "flag_meanings": " ".join(_BITS),
        "coordinates": _COORDINATES,
    }


def _flag_bits(name: str, texts: Sequence[str | None]) -> Any:
    return np.array([_bits(text).get(name, 0) if text else 0 for text in texts], dtype="i4")


@lru_cache(maxsize=1024)
def _bits(text: str) -> dict[str, int]:
    """Quantity → the bits of its flags, from the stored document; what follows the colon of a flag is not kept."""
    return {name: sum(_BITS.get(flag.partition(":")[0], 0) for flag in set(flags)) for name, flags in json.loads(text).items()}
