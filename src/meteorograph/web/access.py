"""Access: without any token everyone who reaches the server may do everything, with tokens only who sends one."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from flask import current_app, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import ConfigurationError, StoreError
from ..log_output import get_logger
from ..model import clock
from ..model.states import TokenScope
from ..storage import tokens
from ..storage.engine import get_db_session, init_db
from .headers_check import has_passed
from .host_check import is_loopback
from .rate_limits import CallerLimits

log = get_logger(__name__)

#: Key in ``app.extensions``: the limits on callers.
LIMITS: Final = "meteorograph.limits"

#: Endpoints that need no token although reading needs one: they show no data.
_OPEN_ENDPOINTS: Final = frozenset({"health.livez", "health.readyz", "static", "page.static", "page.sign_in", "page.enter_token"})

#: The cookie of a browser that has signed in, with its token. Scripts cannot read it, and other sites' pages do not send it.
SESSION_COOKIE: Final = "meteorograph_token"

_UNKNOWN: Final = "the token is unknown or has expired"

View = TypeVar("View", bound=Callable[..., Any])

#: Views for which a request needs a token, and its scope.
_SCOPES: Final[dict[Callable[..., Any], TokenScope]] = {}

#: ``token68`` of RFC 9110.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


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
    is_foreign = site not in ("same-origin", "none") if site else bool(origin) and _host_of(origin) != request.host
    if is_foreign:
        raise Forbidden("Only pages of this server may change anything here.")


def _host_of(origin: str | None) -> str | None:
    try:
        return urlsplit(origin or "").netloc
    except ValueError:
        return None


def limit_requests() -> None:
    """Refuse a caller that makes more requests than ``METEOROGRAPH_REQUESTS_PER_MINUTE``."""
    if not has_passed():
        _limits().count_request(request.remote_addr)


def needs_scope(scope: TokenScope) -> Callable[[View], View]:
    """Mark a view for which a request needs a token with a scope."""

    def mark(view: View) -> View:
        _SCOPES[view] = scope
        return view

    return mark


def require_token_of_route() -> None:
    """Refuse a request without the token that its route needs, or reading needs where ``METEOROGRAPH_READ_ACCESS`` says so."""
    if request.method == "OPTIONS":
        return
    scope = _SCOPES.get(current_app.view_functions[request.endpoint]) if request.endpoint else None
    if scope is not None:
        _require_token(scope)
    elif request.method in ("GET", "HEAD") and get_settings().read_access == "token" and request.endpoint not in _OPEN_ENDPOINTS:
        _require_token(TokenScope.READ)


def _require_token(scope: TokenScope) -> None:
    """Refuse the request unless it has a token with a scope: a bearer token, ``X-API-Key``, the password of Basic, or a cookie.

    A token of ``METEOROGRAPH_API_TOKENS`` allows everything, and so does one with the scope ``admin``.

    Raises:
        Unauthorized: There are tokens, or must be, and the request has no valid one.
        Forbidden: Its token does not allow this.
        TooManyRequests: The caller has sent too many wrong tokens.
    """
    settings = get_settings()
    token = _sent_token()
    if token is None:
        if _needs_token():
            _refuse(scope, "the request has no token")
        return
    _limits().check_failures(request.remote_addr)
    allowed = _scopes_of(settings, token)
    if not allowed:
        if not _needs_token():
            return
        _limits().count_failure(request.remote_addr)
        _refuse(scope, _UNKNOWN)
    if not {scope, TokenScope.ADMIN} & allowed:
        raise Forbidden(f"This needs a token with the scope {scope}.")


def _scopes_of(settings: Settings, token: str) -> frozenset[TokenScope]:
    known = [secret.get_secret_value() for secret in settings.api_tokens]
    matches = [hmac.compare_digest(token.encode(), text.encode()) for text in known]  # compares with all, in constant time
    if any(matches):
        return frozenset(TokenScope)
    if not _TOKEN.fullmatch(token):
        return frozenset()
    init_db()
    with get_db_session(read_only=True) as session:
        return tokens.scopes_of(session, token, clock.now())


def _needs_token() -> bool:
    """Whether a request without a valid token is refused: there are tokens, or others can reach the server."""
    settings = get_settings()
    if settings.api_tokens or settings.read_access == "token":
        return True
    return not (settings.allow_anonymous or is_loopback(settings.host.lower())) or has_stored_tokens()


def is_accepted(token: str) -> bool:
    """Whether a token with which a browser signs in is known and has not expired.

    Raises:
        StoreError: The database does not answer.
        TooManyRequests: The caller has sent too many wrong tokens.
    """
    _limits().check_failures(request.remote_addr)
    if _scopes_of(get_settings(), token):
        return True
    _limits().count_failure(request.remote_addr)
    _log_refusal(_UNKNOWN)
    return False


def is_signed_in() -> bool:
    """Whether the request has the cookie of a browser that has signed in."""
    return SESSION_COOKIE in request.cookies


def lacks(scope: TokenScope) -> bool:
    """Whether the caller of a page must sign in before it can do what needs a scope; also if the database does not answer."""
    try:
        if not _needs_token():
            return False
        token = _sent_token()
        return token is None or not {scope, TokenScope.ADMIN} & _scopes_of(get_settings(), token)
    except StoreError:
        return True


def has_stored_tokens() -> bool:
    """Whether the database has a token.

    Raises:
        StoreError: The database does not answer.
    """
    init_db()
    with get_db_session(read_only=True) as session:
        return tokens.has_tokens(session)


def refuse_to_listen_without_tokens(settings: Settings) -> None:
    """Check that others can reach the server only if there are tokens.

    Raises:
        ConfigurationError: ``HOST`` is not a loopback address, there is no token, and anonymous callers are not allowed.
    """
    if settings.api_tokens or settings.allow_anonymous or is_loopback(settings.host.lower()):
        return
    with suppress(StoreError):  # without the database no request is served without a token
        if has_stored_tokens():
            return
        raise ConfigurationError(
            f"HOST={settings.host}: others can reach this address; set METEOROGRAPH_API_TOKENS, add a token with "
            "'meteorograph tokens add', or set METEOROGRAPH_ALLOW_ANONYMOUS=true to let everyone do everything"
        )


def _sent_token() -> str | None:
    """The token of the request. Flask's own parser takes a token with ``=`` inside for parameters."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            return _password(value.strip())
    return request.headers.get("X-API-Key", request.cookies.get(SESSION_COOKIE))


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _refuse(scope: TokenScope, reason: str) -> None:
    _log_refusal(reason, scope=str(scope))
    raise Unauthorized(
        "This needs a token, such as one of METEOROGRAPH_API_TOKENS, sent as 'Authorization: Bearer TOKEN' "
        "or 'X-API-Key: TOKEN'.",
        www_authenticate=WWWAuthenticate("bearer", {"realm": "meteorograph"}),
    )


def _log_refusal(reason: str, **fields: str) -> None:
    log.warning("request refused", reason=reason, client=request.remote_addr, path=request.path, **fields)


def _limits() -> CallerLimits:
    limits = current_app.extensions[LIMITS]
    assert isinstance(limits, CallerLimits)
    return limits
