"""Rules of HTTP (RFC 9110, RFC 9112) that Flask and web servers leave to the application."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest

from . import problems

_READING: Final = ("GET", "HEAD")


def register(app: Flask) -> None:
    """Check requests before anything else does."""
    app.before_request(_refuse_without_host)
    app.before_request(_answer_options_of_server)
    app.before_request(_satisfy_any_match)


def _refuse_without_host() -> None:
    """Refuse a request of HTTP/1.1 that does not have exactly one ``Host``; servers join several with a comma."""
    hosts = request.environ.get("HTTP_HOST")
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1" and (hosts is None or "," in hosts):
        raise BadRequest("A request of HTTP/1.1 must have one Host header.")


def _answer_options_of_server() -> Response | None:
    """``OPTIONS *`` asks about the server as a whole."""
    is_for_server = request.method == "OPTIONS" and request.environ.get("PATH_INFO") in ("*", "/*")
    return Response(status=200, headers={"Allow": "GET, HEAD, OPTIONS, POST, PATCH, DELETE"}) if is_for_server else None


def _satisfy_any_match() -> None:
    """``If-Match: *`` holds for whatever exists; Werkzeug compares the star with the ETag."""
    if request.method in _READING and request.headers.get("If-Match", "").strip() == "*":
        del request.environ["HTTP_IF_MATCH"]


def complete(response: Response) -> Response:
    """Correct an answer of a view, before other hooks add their headers."""
    if response.status_code == 412 and request.method in _READING and response.mimetype != "application/problem+json":
        response.close()
        return problems.problem(412, "Precondition Failed", "The data are not those that If-Match names.")
    if request.method == "OPTIONS" and response.status_code == 200:
        response.headers.pop("Content-Type", None)  # there is no body that could have a type
    elif request.method in _READING and response.status_code == 200:
        response.headers.setdefault("Accept-Ranges", "none")
    return response
