"""Reverse proxies in front of the server: their ``X-Forwarded-…`` headers are believed where the settings say so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PREFIX: Final = "HTTP_X_FORWARDED_PREFIX"
#: A path of plain names, without a slash at its end; empty for the root.
_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


def register(app: Flask, proxies: int) -> None:
    """Take address, scheme, host and path prefix of a request from the last ``proxies`` values of the headers."""
    if proxies:
        fixed = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies, x_prefix=proxies)
        app.wsgi_app = _with_plain_prefix(fixed)  # type: ignore[method-assign, assignment]


def _with_plain_prefix(application: WSGIApplication) -> WSGIApplication:
    """Let through only prefixes that links can begin with; a slash at the end is removed."""

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _PREFIX in environ:
            prefixes = [prefix.strip().rstrip("/") for prefix in environ[_PREFIX].split(",")]
            environ = {**environ, _PREFIX: ",".join(prefix if _PLAIN.fullmatch(prefix) else "" for prefix in prefixes)}
        return application(environ, start_response)

    return call
