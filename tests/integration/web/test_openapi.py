"""The description of the API: it names every route as it is, and schemathesis finds no answer that it does not foretell."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from meteorograph import create_app
from meteorograph.config.loading import load_settings
from meteorograph.web.openapi import describe
from meteorograph.web.openapi_routes import ROUTES

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.usefixtures("collecting"),
]

_TRY = settings(
    max_examples=15,
    database=None,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def app(database: str) -> Flask:
    return create_app(load_settings(scheduler_enabled=False, geocoding_base_url="http://127.0.0.1:9"))


@pytest.fixture
def schema(app: Flask) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


def test_every_route_of_the_table_is_one(app: Flask) -> None:
    found = {(method.upper(), path) for path, methods in describe(app)["paths"].items() for method in methods}
    assert set(ROUTES) - found == set()
    assert not [path for _, path in found - set(ROUTES) if path.startswith(("/api", "/data", "/ingest"))]


def test_the_parameters_are_those_that_the_route_knows(app: Flask) -> None:
    client = app.test_client()
    for (method, path), one in ROUTES.items():
        if method == "GET" and one.query:
            told = client.get(f"{path}?nothing=1").get_json()["errors"][0]["allowed"]
            known = re.fullmatch(r"is unknown; use (.*)", told)
            assert known, told
            assert set(known[1].split(", ")) == set(one.query), path


def test_the_page_shows_every_route(app: Flask) -> None:
    page = app.test_client().get("/docs").text
    assert all(f"{method} {path}" in page for method, path in ROUTES)
    assert "``" not in page, "code is marked as code"
    assert "://" not in re.sub(r"<svg.*?</svg>", "", page), "nothing comes from elsewhere"


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_schemathesis_finds_nothing(schema: Any, mode: GenerationMode) -> None:
    for found in schema.get_all_operations():
        operation = found.ok()
        if (operation.method.upper(), operation.path) not in ROUTES:
            continue  # a page for people
        if operation.path == "/api/places":
            continue  # each search waits for its turn at the geocoder, of which there is none here
        if mode is GenerationMode.POSITIVE or operation.query or operation.body:
            _TRY(given(case=operation.as_strategy(generation_mode=mode))(_check))()


def _check(case: Any) -> None:
    # What no schema says, such as that the start is before the end, is refused too.
    # Without a socket nobody unpacks gzip.
    case.call_and_validate(headers={"Accept-Encoding": "identity"}, excluded_checks=[positive_data_acceptance])
