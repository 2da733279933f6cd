"""What there is to know of exported rows: units, CF names, and whose data they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ..model import clock
from ..model.quantities import BY_NAME
from ..providers.registry import PROVIDERS
from ..reading.columns import DOCUMENTS, FIELDS, INSTANTS, Columns
from ..version import __version__

#: Units as the CF conventions spell them (UDUNITS).
_CF_UNITS: Final = {"°C": "degree_Celsius", "m/s": "m s-1", "degree": "degree"}
#: The CF conventions that the names of quantities and units follow.
CONVENTIONS: Final = "CF-1.11"

_PROVIDER: Final = FIELDS.index("provider")
_OTHERS: Final = FIELDS.index("providers")


def providers_of(found: Columns) -> set[str]:
    """The names of the providers that rows come from."""
    names = set(found[_PROVIDER])
    for text in set(found[_OTHERS]) - {None}:
        names |= _others(text)
    return names


@lru_cache(maxsize=1024)
def _others(text: str) -> frozenset[str]:
    return frozenset(json.loads(text).values())


def dataset_metadata(providers: Iterable[str]) -> dict[str, Any]:
    """What there is to know of rows of these providers."""
    known = [PROVIDERS[name] for name in sorted(providers) if name in PROVIDERS]
    return {
        "title": "Weather collected by Meteorograph",
        "Conventions": CONVENTIONS,
        "source": f"meteorograph {__version__}",
        "date_created": clock.now().isoformat(timespec="seconds"),
        "providers": [
            {"name": one.name, "title": one.title, "attribution": one.attribution, "licence": one.licence, "method": one.method}
            for one in known
        ],
    }


def cf_attributes(name: str) -> dict[str, str]:
    """The CF attributes of a field: units and standard name where it has some."""
    if name in INSTANTS:
        return {"standard_name": "time", "timezone": "UTC"} if name == "due_at" else {"timezone": "UTC"}
    if name == "precipitation_period":
        return {"units": "s"}
    quantity = BY_NAME.get(name)
    if quantity is None:
        return {"encoding": "JSON"} if name in DOCUMENTS else {}
    found = {"units": _CF_UNITS.get(quantity.unit, quantity.unit)}
    return found | ({"standard_name": quantity.standard_name} if quantity.standard_name else {})


def write_sidecar(path: Path, described: dict[str, Any]) -> Path:
    """Write what there is to know beside a file, where readers of CSV on the Web look for it; gives the path.

    Source: https://www.w3.org/TR/tabular-data-model/, section 5.3.
    """
    beside = path.with_name(f"{path.name}-metadata.json")
    columns = [{"name": name, "titles": name, **cf_attributes(name)} for name in FIELDS]
    told = {"@context": "http://www.w3.org/ns/csvw", "url": path.name, **described, "tableSchema": {"columns": columns}}
    beside.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return beside
