"""Calls every operation of the generated client ``weather``; runs in ``.venv-clients`` and prints what each one gave as JSON."""

from __future__ import annotations

import datetime
import importlib
import io
import json
import pkgutil
import sys
from typing import Any

sys.path.insert(0, sys.argv[1])
weather = importlib.import_module("weather")
api, models, types = (importlib.import_module(f"weather.{name}") for name in ("api", "models", "types"))
client = weather.Client(base_url=sys.argv[2], timeout=300, raise_on_unexpected_status=True)

FILE = b"name,latitude,longitude\nimported,1,2\n"
NEW = models.NewLocation(name="added", latitude=1.0, longitude=2.0)
#: Operation → its arguments; those of the ones that change something in their order.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "locations_add": {"body": NEW},
    "locations_import_file": {"body": types.File(payload=io.BytesIO(FILE))},
    "locations_show": {"name": "added"},
    "locations_change": {"name": "added", "body": models.Changes(tags=["tag"])},
    "alerts_add": {"body": models.NewRule(name="frost", kind=models.NewRuleKind.FROST)},
    "alerts_silence": {"name": "frost", "body": models.Silence(until="2h")},
    "alerts_test": {"body": models.TestedChannel(channel="phone")},
    "ingest_collect": {"body": models.Point(lat=1.0, lon=2.0)},
    "data_rows": {"start": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "limit": 10},
    "health_health": {"locations": models.HealthHealthLocations.TRUE},
    "page_leaflet_file": {"digest": "0", "kind": "js"},
    "page_plotly_script": {"digest": "0"},
    "places_search": {"name": "Athens"},
    "tasks_cancel": {"id": 1},
}
#: What is called last, and its arguments.
REMOVALS: dict[str, dict[str, Any]] = {"locations_remove": {"name": "added"}, "alerts_remove": {"name": "frost"}}
#: Operation → its statuses where they are not those of a success: of a service without a scheduler, and of what is not there.
STATUSES = {
    "health_health": (200, 503),
    "health_readyz": (200, 503),
    "page_chart": (400,),
    "page_climate_page": (404,),
    "page_edit_location": (404,),
    "page_place": (400,),
    "page_leaflet_file": (404,),
    "tasks_cancel": (404,),
    "page_plotly_script": (404,),
}


def operations() -> dict[str, Any]:
    """The operations in the order in which they are called."""
    modules = {
        one.name.rpartition(".")[2]: one.name for one in pkgutil.walk_packages(api.__path__, "weather.api.") if not one.ispkg
    }
    names = [*(name for name in ARGUMENTS if name in modules), *sorted(modules.keys() - ARGUMENTS.keys() - REMOVALS.keys())]
    return {name: importlib.import_module(modules[name]) for name in (*names, *REMOVALS)}


def outcome(name: str, module: Any) -> str:
    """What an operation gave: an object, bytes, or a description of what is wrong."""
    answer = module.sync_detailed(client=client, **(ARGUMENTS | REMOVALS).get(name, {}))
    status = int(answer.status_code)
    if name == "data_rows":
        [row, *_] = answer.parsed.data
        assert isinstance(row.due_at, datetime.datetime)
    if status not in STATUSES.get(name, (200, 201)):
        return f"{status} {answer.content[:200]!r}"
    is_json = "json" in answer.headers["content-type"]
    if not is_json or name == "openapi_document":
        return "bytes"
    return "object" if type(answer.parsed).__module__.startswith("weather.models") else f"{status} {answer.parsed!r}"


def check_errors() -> None:
    """An error is an object with what is wrong."""
    rows = importlib.import_module("weather.api.data.data_rows")
    missing = rows.sync(client=client, location="nowhere")
    assert isinstance(missing, models.Problem), missing
    assert missing.status == 404
    wrong = rows.sync(client=client, limit=99999)
    assert isinstance(wrong, models.Problem), wrong
    assert wrong.errors[0]["field"] == "limit"


if __name__ == "__main__":
    told = {}
    for operation, part in operations().items():
        try:
            told[operation] = outcome(operation, part)
        except Exception as error:
            told[operation] = f"{type(error).__name__}: {error}"
    check_errors()
    print(json.dumps(told))  # noqa: T201
