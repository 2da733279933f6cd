"""Access: without tokens everyone may spend quota (the server listens on loopback), with tokens only who sends one."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from ..config.loading import get_settings


def refuse_other_sites() -> None:
    """Refuse requests that a page of another site sends through a user's browser (CSRF).

    A browser names the origin of a request. Scripts and ``curl`` name none and are served, and so are the sites of
    ``METEOROGRAPH_CORS_ORIGINS``.

    Raises:
        Forbidden: The request may change something and comes from another site's page.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if origin in get_settings().cors_origins:
        return
    is_foreign = site not in ("same-origin", "none") if site else bool(origin) and urlsplit(origin).netloc != request.host
    if is_foreign:
        raise Forbidden("Only pages of this server may change anything here.")


def require_token() -> None:
    """Refuse the request unless it carries one of ``METEOROGRAPH_API_TOKENS``, as a bearer token or in ``X-API-Key``.

    Raises:
        Unauthorized: Tokens are set and the request has no valid one.
    """
    tokens = [secret.get_secret_value() for secret in get_settings().api_tokens]
    bearer = request.authorization.token if request.authorization and request.authorization.type == "bearer" else None
    token = bearer or request.headers.get("X-API-Key", "")
    matches = [hmac.compare_digest(token.encode(), known.encode()) for known in tokens]
    if tokens and not any(matches):
        raise Unauthorized(
            "This route spends quota: send one of METEOROGRAPH_API_TOKENS as 'Authorization: Bearer TOKEN', "
            "or as 'X-API-Key: TOKEN'.",
            www_authenticate=WWWAuthenticate("bearer", {"realm": "meteorograph"}),
        )
