"""The coordinate reference system that a GeoJSON file names: coordinates must be longitude and latitude in degrees."""

from __future__ import annotations

import json
import re
from typing import Final

from ..errors import LocationFileError

#: EPSG codes of systems with longitude and latitude in degrees that differ from WGS 84 by less than 3 m: WGS 84 (two and three
#: dimensions), ETRS89 (the same), NAD83.
_DEGREES: Final = frozenset({"4326", "4979", "4258", "4937", "4269"})

#: Names without an EPSG code.
_NAMES: Final = frozenset({"crs84", "crs84h", "crs83", "wgs84"})

#: Messages truncate longer names [characters].
_MAX_SHOWN: Final = 80

_EPSG: Final = re.compile(r"epsg[/:]+(?:[\d.]*[/:])?(\d+)(?:/.*)?$")


def check_crs(crs: object) -> None:
    """Check the member ``crs`` of a GeoJSON object. RFC 7946 has none, but GeoJSON of 2008 has it, and many programs write it.

    Raises:
        LocationFileError: It names another system than longitude and latitude in degrees.
    """
    if crs is None or _is_degrees(name := _name(crs)):
        return
    shown = name if len(name) <= _MAX_SHOWN else name[:_MAX_SHOWN] + "…"
    raise LocationFileError(
        f"crs={shown!r}: the file says that its coordinates are in this system; they must be longitude and latitude in degrees "
        "(WGS 84, EPSG:4326), without a member crs or with that of CRS84"
    )


def _name(crs: object) -> str:
    """The name, link or code of the system; the whole member as JSON if it has another form."""
    match crs:
        case {"properties": {"name": str(name)}} | {"properties": {"href": str(name)}} | str(name):
            return name
        case {"type": str(kind), "properties": {"code": int(code) | str(code)}}:
            return f"{kind}:{code}"
    return json.dumps(crs)


def _is_degrees(name: str) -> bool:
    text = name.strip().lower()
    code = _EPSG.search(text)
    if code:
        return code[1] in _DEGREES
    return re.split(r"[/:]", text)[-1].replace(" ", "") in _NAMES
