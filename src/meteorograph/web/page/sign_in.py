"""``/sign-in`` and ``/sign-out``: a browser enters a token once, and sends it as a cookie from then on. Works without scripts."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, make_response, redirect, render_template, request
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response as AnyResponse

from ...errors import BadInputError
from ...i18n import Phrase, get_language
from ...version import __version__
from .. import access
from .layout import blueprint, language_variables
from .preferences import read_lang, read_theme

#: Longest token that is looked up.
_MAX_TOKEN: int = 500


@blueprint.get("/sign-in")
def sign_in() -> Response:
    """The form for a token."""
    return _form(_own_path(request.args.get("next", "")))


@blueprint.post("/sign-in")
def enter_token() -> AnyResponse:
    """Keep a valid token in the cookie of this browser's session."""
    after = _own_path(request.form.get("next", ""))
    token = request.form.get("token", "").strip()
    if not token or len(token) > _MAX_TOKEN or not access.is_accepted(token):
        return _form(after, failure=Phrase("This token is unknown, or it has expired."), status=401)
    response = redirect(request.script_root + after, 303)
    path = f"{request.script_root}/"
    response.set_cookie(access.SESSION_COOKIE, token, path=path, httponly=True, samesite="Strict", secure=request.is_secure)
    return response


@blueprint.post("/sign-out")
def sign_out() -> AnyResponse:
    """Forget the token of this browser."""
    response = redirect(f"{request.script_root}/", 303)
    response.delete_cookie(access.SESSION_COOKIE, path=f"{request.script_root}/", httponly=True, samesite="Strict")
    return response


@blueprint.errorhandler(Unauthorized)
def _needs_token(error: Unauthorized) -> Response:
    """The form in place of the page that needs a token."""
    after = request.full_path.rstrip("?") if request.method == "GET" else "/"
    response = _form(after, status=401)
    response.headers.update({name: value for name, value in error.get_headers() if name == "WWW-Authenticate"})
    return response


def _form(after: str, *, failure: Phrase | None = None, status: int = 200) -> Response:
    """The form shows nothing of the service, whose reading may need a token."""
    language = get_language(read_lang())
    text = render_template(
        "sign_in.html",
        after=after,
        failure=failure,
        theme=read_theme(),
        version=__version__,
        **language_variables(language),
    )
    response = make_response(text, status)
    response.vary.update(("Cookie", "Accept-Language"))
    return response


def _own_path(path: str) -> str:
    """The page to show after signing in.

    Raises:
        BadInputError: It is not one of this server.
    """
    if not path:
        return "/"
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and not urlsplit(path).netloc
    if not is_own:
        raise BadInputError("next", path, "must be a path of this server, such as /locations")
    return path
