"""Who may spend quota: anyone as long as no tokens are set (the server listens on loopback), else who has one."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from ..config.loading import get_settings


def refuse_other_sites() -> None:
    """Let no page of another site change anything here through the browser of somebody who may.

    A browser says where a request comes from; scripts and ``curl`` say nothing, and are served.

    Raises:
        Forbidden: It would change something, and a browser sends it from another site's page.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_foreign = site not in ("same-origin", "none") if site else bool(origin) and urlsplit(origin).netloc != request.host
    if is_foreign:
        raise Forbidden("Only pages of this server may change anything here.")


def require_token() -> None:
    """Refuse the request unless it carries one of ``METEOROGRAPH_API_TOKENS`` as a bearer token.

    Raises:
        Unauthorized: Tokens are set and the request has none of them.
    """
    tokens = [token.get_secret_value() for token in get_settings().api_tokens]
    given = request.authorization.token if request.authorization and request.authorization.type == "bearer" else None
    known = [hmac.compare_digest((given or "").encode(), token.encode()) for token in tokens]
    if tokens and not any(known):
        raise Unauthorized(
            "This route spends quota: send one of METEOROGRAPH_API_TOKENS as 'Authorization: Bearer TOKEN'.",
            www_authenticate=WWWAuthenticate("bearer", {"realm": "meteorograph"}),
        )
