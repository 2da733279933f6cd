"""``/openapi.json`` and ``/docs``: the API as an OpenAPI 3.1 document, made from the routes, and as a page."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec
from flask import Blueprint, Flask, Response, current_app, has_request_context, request

from ..version import __version__
from . import answers
from .openapi_routes import ROUTES, RouteDescription
from .openapi_types import Problem
from .page.layout import render

blueprint = Blueprint("openapi", __name__)

#: Reference to a type of the document.
_REF: Final = "#/components/schemas/{name}"

#: Description of the pages of the dashboard.
_PAGE: Final = RouteDescription(media=("text/html",), errors=(400, 404))

#: Statuses of problems that each route may have: no token, another host, too many requests, no database.
_COMMON_ERRORS: Final = (401, 421, 429, 503)

_PARAMETER: Final = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


@blueprint.get("/openapi.json")
def document() -> Response:
    """This API as an OpenAPI 3.1 document."""
    body = msgspec.json.encode(describe(current_app))
    return answers.validated(Response(body, mimetype="application/json"), body)


@blueprint.get("/docs")
def page() -> Response:
    """This API as a page."""
    return render("api.html", api=describe(current_app))


def describe(app: Flask) -> dict[str, Any]:
    """The application's routes as an OpenAPI 3.1 document."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    used = {
        (method, _PARAMETER.sub(r"{\1}", rule.rule)): rule
        for rule in sorted(rules, key=lambda rule: rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if method == "GET" or not rule.endpoint.startswith("page.")  # forms are for browsers
    }
    descriptions = {key: ROUTES.get(key, _PAGE) for key in used}
    types = [kind for route in descriptions.values() for kind in (route.answer, route.body) if isinstance(kind, type)]
    _, schemas = msgspec.json.schema_components([Problem, *types], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), rule in used.items():
        view = app.view_functions[rule.endpoint]
        paths.setdefault(path, {})[method.lower()] = {
            "operationId": rule.endpoint.replace(".", "_").rstrip("_"),
            "summary": (view.__doc__ or rule.endpoint).strip().partition("\n")[0],
            "tags": [rule.endpoint.partition(".")[0]],
            **_operation(descriptions[method, path], {name: _path_schema(rule.rule, name) for name in sorted(rule.arguments)}),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Meteorograph", "version": __version__, "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": (request.script_root if has_request_context() else "") or "/"}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _path_schema(rule: str, name: str) -> dict[str, Any]:
    """The schema of a variable part of a path."""
    number = re.search(rf"<int\(max=(\d+)\):{name}>", rule)
    return {"type": "integer", "minimum": 0, "maximum": int(number[1])} if number else {"type": "string", "minLength": 1}


def _operation(route: RouteDescription, path_parameters: dict[str, dict[str, Any]]) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": schema} for name, schema in path_parameters.items()]
    parameters += [
        {"name": name, "in": "query", "schema": {key: value for key, value in schema.items() if key != "description"}}
        | ({"description": schema["description"]} if "description" in schema else {})
        for name, schema in route.query.items()
    ]
    operation: dict[str, Any] = {"parameters": parameters} if parameters else {}
    if route.body is not None:
        operation["requestBody"] = {"required": isinstance(route.body, tuple), "content": _body(route.body)}
    if 401 in route.errors:
        operation["security"] = [{}, {"token": []}]
    success = {"description": HTTPStatus(route.status).phrase, "content": _content(route)}
    operation["responses"] = {str(route.status): success}
    if route.also is not None:
        operation["responses"][str(route.also)] = {**success, "description": HTTPStatus(route.also).phrase}
    problem: dict[str, Any] = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}
    if route is _PAGE:
        problem = {"text/html": {"schema": _file("text/html")}, **problem}  # as the client prefers
    for status in (*route.errors, *_COMMON_ERRORS):
        operation["responses"].setdefault(str(status), {"description": HTTPStatus(status).phrase, "content": problem})
    return operation


def _body(body: Any) -> dict[str, Any]:
    if isinstance(body, tuple):
        return {media: {"schema": _file(media)} for media in body}
    return {"application/json": {"schema": {"$ref": _REF.format(name=body.__name__)}}}


def _file(media: str) -> dict[str, Any]:
    if media == "application/octet-stream":
        return {"type": "string", "format": "binary", "description": "A CSV or GeoJSON file"}
    return {"type": "object" if media.endswith("json") and "nd" not in media else "string"}


def _content(route: RouteDescription) -> dict[str, Any]:
    plain = {media: {"schema": _file(media)} for media in route.media}
    if route.answer is None:
        return plain
    return {"application/json": {"schema": {"$ref": _REF.format(name=route.answer.__name__)}}, **plain}
