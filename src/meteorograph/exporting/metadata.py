"""Metadata of exported rows: units, CF names, providers and licences."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ..model import clock
from ..model.imports import IMPORT_PREFIX, IMPORT_TERMS
from ..model.quantities import BY_NAME
from ..providers.registry import PROVIDERS
from ..reading.columns import DOCUMENTS, FIELDS, INSTANTS, Columns
from ..version import __version__
from .field_types import FIELD_TYPES, FieldType

#: Units as the CF conventions spell them (UDUNITS).
_CF_UNITS: Final = {"°C": "degree_Celsius", "m/s": "m s-1", "degree": "degree"}
#: Version of the CF conventions that the names of quantities and units follow.
CONVENTIONS: Final = "CF-1.11"

#: Datatypes of CSV on the Web (https://www.w3.org/TR/tabular-data-primer/#datatypes).
_CSVW_TYPES: Final = {
    FieldType.INSTANT: "dateTimeStamp",
    FieldType.TEXT: "string",
    FieldType.INTEGER: "integer",
    FieldType.NUMBER: "double",
}
#: Member of the metadata → its name in CSV on the Web, which knows only names with a prefix beside its own.
_CSVW_NAMES: Final = {
    "title": "dc:title",
    "Conventions": "dc:conformsTo",
    "source": "dc:source",
    "date_created": "dc:created",
    "units": "schema:unitText",
    "standard_name": "schema:propertyID",
    "name": "schema:name",
    "attribution": "dc:bibliographicCitation",
    "licence": "dc:license",
    "method": "schema:measurementTechnique",
}
#: What identifies a row.
_KEY: Final = ("location", "due_at")

_PROVIDER_INDEX: Final = FIELDS.index("provider")
_PROVIDERS_INDEX: Final = FIELDS.index("providers")


def providers_of(columns: Columns) -> set[str]:
    """Names of the providers of these rows."""
    names = set(columns[_PROVIDER_INDEX])
    for text in set(columns[_PROVIDERS_INDEX]) - {None}:
        names |= _other_providers(text)
    return names


@lru_cache(maxsize=1024)
def _other_providers(text: str) -> frozenset[str]:
    return frozenset(json.loads(text).values())


def dataset_metadata(providers: Iterable[str]) -> dict[str, Any]:
    """Metadata of rows of these providers."""
    names = sorted(providers)
    listed = [PROVIDERS[name] for name in names if name in PROVIDERS]
    return {
        "title": "Weather collected by Meteorograph",
        "Conventions": CONVENTIONS,
        "source": f"meteorograph {__version__}",
        "date_created": clock.now().isoformat(timespec="seconds"),
        "providers": [
            {
                "name": provider.name,
                "title": provider.title,
                "attribution": provider.attribution,
                "licence": provider.licence,
                "method": provider.method,
            }
            for provider in listed
        ]
        + [_imported(name) for name in names if name.startswith(IMPORT_PREFIX)],
    }


def _imported(name: str) -> dict[str, str]:
    """What is known of the source of imported rows."""
    source = name.removeprefix(IMPORT_PREFIX)
    attribution, licence = next(
        (terms for known, terms in IMPORT_TERMS.items() if source.startswith(known)), ("the source of the import", "not known")
    )
    return {"name": name, "title": f"Import: {source}", "attribution": attribution, "licence": licence, "method": "imported"}


def cf_attributes(name: str) -> dict[str, str]:
    """The CF attributes of a field: its units and its standard name, as far as it has them."""
    if name in INSTANTS:
        return {"standard_name": "time", "timezone": "UTC"} if name == "due_at" else {"timezone": "UTC"}
    if name == "precipitation_period":
        return {"units": "s"}
    quantity = BY_NAME.get(name)
    if quantity is None:
        return {"encoding": "JSON"} if name in DOCUMENTS else {}
    units = {"units": _CF_UNITS.get(quantity.unit, quantity.unit)}
    return units | ({"standard_name": quantity.standard_name} if quantity.standard_name else {})


def write_sidecar(path: Path, metadata: dict[str, Any]) -> Path:
    """Write metadata beside a file, where readers of CSV on the Web look for it, and return the path of the sidecar.

    Source: https://www.w3.org/TR/tabular-data-model/, section 5.3.
    """
    sidecar = path.with_name(f"{path.name}-metadata.json")
    columns: list[dict[str, Any]] = [
        {"name": name, "titles": name, "datatype": "json" if name in DOCUMENTS else _CSVW_TYPES[kind], **_common(name)}
        for name, kind in FIELD_TYPES.items()
    ]
    for column in columns:
        column |= {"required": True} if column["name"] in _KEY else {"null": ""}
    about: dict[str, Any] = {_CSVW_NAMES[name]: value for name, value in metadata.items() if name != "providers"}
    providers = [{_CSVW_NAMES.get(name, f"schema:{name}"): value for name, value in one.items()} for one in metadata["providers"]]
    schema = {"columns": columns, "primaryKey": list(_KEY)}
    document = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": path.name,
        **about,
        "schema:provider": providers,
        "tableSchema": schema,
    }
    sidecar.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return sidecar


def _common(name: str) -> dict[str, str]:
    """The unit and the CF standard name of a field under the names of CSV on the Web."""
    attributes = cf_attributes(name)
    return {_CSVW_NAMES[key]: attributes[key] for key in ("units", "standard_name") if key in attributes}
