"""Bound what one request reads: each answer, and each part of a stream, has some seconds, and ends when its client is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from flask import Flask, request

from ..errors import ReadLimitError
from ..log_output import get_logger
from ..storage.read_limit import ReadLimit, limit_reads

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = get_logger(__name__)

#: Time to read an answer, or a part of a stream [s].
READ_SECONDS: Final = 20.0

_READING: Final = ("GET", "HEAD")

#: Where the web server says whether the client is gone.
_IS_GONE: Final = "waitress.client_disconnected"


def register(app: Flask) -> None:
    """Bound what the views of an application read."""
    application = app.wsgi_app

    def bounded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in _READING:  # what changes or collects is bounded otherwise, and must not stop halfway
            return application(environ, start_response)
        with limit_reads(_limit(environ)):
            return application(environ, start_response)

    app.wsgi_app = bounded  # type: ignore[method-assign]


def bounded_parts(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of the current request's stream, each bounded; they are made after the view has returned."""
    return _bounded_parts(iter(parts), request.environ)


def _bounded_parts(parts: Iterator[bytes], environ: WSGIEnvironment) -> Iterator[bytes]:
    close: Callable[[], None] = getattr(parts, "close", lambda: None)
    try:
        while True:
            try:
                with limit_reads(_limit(environ)):
                    part = next(parts, None)
            except ReadLimitError:
                if not environ.get(_IS_GONE, lambda: False)():
                    log.warning("an answer took too long and was cut off", path=environ["PATH_INFO"])
                    raise
                return
            if part is None:
                return
            yield part
    finally:
        close()


def _limit(environ: WSGIEnvironment) -> ReadLimit:
    return ReadLimit(READ_SECONDS, environ.get(_IS_GONE, lambda: False))
