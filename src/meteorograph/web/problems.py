"""Errors as RFC 9457 problem documents: the invalid input and what is allowed, never internals of the program."""

from __future__ import annotations

import math
from typing import Any, Final

from flask import Flask, Response, g, json
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from ..errors import (
    ArchiveError,
    BadInputError,
    FetchError,
    FetchTimeoutError,
    LocationNotFoundError,
    MissingAPIKeyError,
    PayloadError,
    QuotaExceededError,
    ReadLimitError,
    StoreError,
)
from ..log_output import get_logger
from ..model import clock
from ..redaction import redact
from .bounded_reads import READ_SECONDS

log = get_logger(__name__)

#: Longest input text that an answer repeats; longer ones are cut.
_MAX_TEXT: Final = 200
#: Larger numbers are repeated as text, since not every JSON reader represents them.
_MAX_NUMBER: Final = 2**53


def shown_value(value: object) -> object:
    """An input value for an error message, shortened: input must not make an answer large, deep or invalid."""
    match value:
        case str():
            text = redact(value)
            return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
        case list():
            return "[…]"
        case dict():
            return "{…}"
        case int() | float() if not abs(value) <= _MAX_NUMBER:
            return f"{float(value):g}" if isinstance(value, float) else f"a number of {len(str(value))} digits"
    return value


def problem(status: int, title: str, detail: str | None = None, **extra: Any) -> Response:
    """A problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail and redact(detail), **extra}
    members = {name: value for name, value in body.items() if value is not None}
    text = json.dumps({**members, "request_id": g.get("request_id")})
    return Response(text, status=status, content_type="application/problem+json")


def register(app: Flask) -> None:
    """Register handlers that answer every error with a problem document."""
    app.register_error_handler(BadInputError, _bad_input)
    app.register_error_handler(LocationNotFoundError, _not_found)
    app.register_error_handler(MissingAPIKeyError, _no_key)
    app.register_error_handler(QuotaExceededError, _quota)
    app.register_error_handler(FetchTimeoutError, _timeout)
    app.register_error_handler(FetchError, _provider)
    app.register_error_handler(PayloadError, _provider)
    app.register_error_handler(StoreError, _store)
    app.register_error_handler(ArchiveError, _archive)
    app.register_error_handler(ReadLimitError, _too_long)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _bad_input(error: BadInputError) -> Response:
    fields = [
        {"field": shown_value(field.field), "value": shown_value(field.value), "allowed": field.allowed} for field in error.errors
    ]
    return problem(400, "Bad Request", bad_input_detail(error), errors=fields if error.rows is None else error.rows)


def bad_input_detail(error: BadInputError) -> str:
    """The error of an input in one line. The name is shortened, since a request may contain any name."""
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


def _archive(error: ArchiveError) -> Response:
    log.error("a sealed month cannot be read", reason=str(error))
    return problem(503, "A sealed month cannot be read", "The file of a month in the archive is missing or damaged.")


def _too_long(_error: ReadLimitError) -> Response:
    detail = f"It takes more than {READ_SECONDS:g} s. Ask for a shorter period, for one location, or for fewer entries."
    return problem(503, "The answer takes too long", detail)


def _database(error: DBAPIError) -> Response:
    """Errors that a session does not translate: a file that is no database, a missing schema."""
    log.error("the database failed", exc_info=error)
    return problem(503, "The database is not available")


def _http(error: HTTPException) -> Response:
    response = problem(error.code or 500, error.name, error.description)
    for name, value in error.get_headers():
        if name in ("Allow", "Content-Range", "Retry-After", "WWW-Authenticate"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem(500, "Internal Server Error", "The log has the details under the id of this request.")
