"""Decide on the headers of a request whether its body is read: the web server asks with the headers alone first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from flask import Flask, Response, request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Key in the WSGI environment of a request without its body, which has not been read yet.
_HEADERS_ONLY: Final = "meteorograph.headers_only"

#: Key in the WSGI environment of a request whose headers have passed the check.
HEADERS_PASSED: Final = "meteorograph.headers_passed"


def headers_check(app: Flask) -> WSGIApplication:
    """A WSGI application that answers 100 if the body of a request may be read, and else as ``app`` does."""

    def check(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app.wsgi_app({**environ, _HEADERS_ONLY: True}, start_response)

    return check


def has_passed() -> bool:
    """Whether this is the second time that the application gets the request, now with its body."""
    return HEADERS_PASSED in request.environ


def answer_headers() -> Response | None:
    """The answer to a request that has passed all checks and has only its headers yet; its view must not run."""
    if _HEADERS_ONLY not in request.environ:
        return None
    if request.routing_exception is not None:
        raise request.routing_exception
    return Response(status=100)
