"""Errors as RFC 9457 problem documents: what was wrong and what is allowed, never what the program looks like inside."""

from __future__ import annotations

import math
from typing import Any, Final

from flask import Flask, Response, g, json
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from ..errors import (
    BadInputError,
    FetchError,
    FetchTimeoutError,
    LocationNotFoundError,
    MissingAPIKeyError,
    PayloadError,
    QuotaExceededError,
    StoreError,
)
from ..log_output import get_logger
from ..model import clock
from ..redaction import redact

log = get_logger(__name__)

#: Longer texts are cut where an answer repeats them.
_LONGEST: Final = 200
#: Larger numbers, which not every reader of JSON knows, are told as a text.
_LARGEST: Final = 2**53


def shown_value(value: object) -> object:
    """A value as it came, if it is short and plain: no answer is made large, deep or invalid by what was asked."""
    match value:
        case str():
            text = redact(value)
            return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        case list():
            return "[…]"
        case dict():
            return "{…}"
        case int() | float() if not abs(value) <= _LARGEST:
            return f"{float(value):g}" if isinstance(value, float) else f"a number of {len(str(value))} digits"
    return value


def problem(status: int, title: str, detail: str | None = None, **more: Any) -> Response:
    """A problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail and redact(detail), **more}
    told = {name: value for name, value in body.items() if value is not None}
    text = json.dumps({**told, "request_id": g.get("request_id")})
    return Response(text, status=status, content_type="application/problem+json")


def register(app: Flask) -> None:
    """Let the application answer every error with a problem document."""
    app.register_error_handler(BadInputError, _bad_input)
    app.register_error_handler(LocationNotFoundError, _not_found)
    app.register_error_handler(MissingAPIKeyError, _no_key)
    app.register_error_handler(QuotaExceededError, _quota)
    app.register_error_handler(FetchTimeoutError, _timeout)
    app.register_error_handler(FetchError, _provider)
    app.register_error_handler(PayloadError, _provider)
    app.register_error_handler(StoreError, _store)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _bad_input(error: BadInputError) -> Response:
    fields = [{"field": shown_value(one.field), "value": shown_value(one.value), "allowed": one.allowed} for one in error.errors]
    return problem(400, "Bad Request", bad_input_detail(error), errors=fields if error.rows is None else error.rows)


def bad_input_detail(error: BadInputError) -> str:
    """What is wrong with an input, in one line; its name is shortened, since a request may invent one."""
    return f"{shown_value(error.field)}: {error.allowed}"


def _not_found(error: LocationNotFoundError) -> Response:
    return problem(404, "Not Found", str(shown_value(str(error))))


def _no_key(error: MissingAPIKeyError) -> Response:
    return problem(503, "No provider is configured", str(error))


def _quota(error: QuotaExceededError) -> Response:
    response = problem(503, "The provider's quota is used up", str(error), retry_at=error.retry_at.isoformat())
    wait = (error.retry_at - clock.now()).total_seconds()
    response.headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return response


def _timeout(error: FetchTimeoutError) -> Response:
    return problem(504, "The provider did not answer in time", str(error))


def _provider(error: FetchError | PayloadError) -> Response:
    return problem(502, "The provider gave no usable answer", str(error))


def _store(error: StoreError) -> Response:
    log.error("the database failed", reason=str(error))
    return problem(503, "The database is not available")


def _database(error: DBAPIError) -> Response:
    """Not one of the errors that a session expects: a file that is no database, a schema that is not there."""
    log.error("the database failed", exc_info=error)
    return problem(503, "The database is not available")


def _http(error: HTTPException) -> Response:
    response = problem(error.code or 500, error.name, error.description)
    for name, value in error.get_headers():
        if name in ("Allow", "WWW-Authenticate", "Retry-After"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem(500, "Internal Server Error", "The log has the details under this request's id.")
