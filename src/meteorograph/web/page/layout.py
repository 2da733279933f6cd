"""What all pages share: the state of the service above, the credits below, their tag in caches, and errors as pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from flask import Blueprint, Response, make_response, render_template, request
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import NotAcceptable

from ...config.loading import get_settings
from ...errors import BadInputError, LocationNotFoundError, StoreError
from ...log_output import get_logger
from ...model import clock
from ...providers.registry import PROVIDERS
from ...version import __version__
from ..health import report
from ..problems import bad_input_detail

log = get_logger(__name__)
blueprint = Blueprint("page", __name__)

#: How often a page is renewed: no faster than this, and no slower.
_SOONEST: Final = timedelta(seconds=5)
_LATEST: Final = timedelta(seconds=30)

#: The parts of a page that change though nothing has happened.
_AGES: Final = re.compile(r"(<time[^>]*>)[^<]*(</time>)")


@blueprint.before_request
def _take_html() -> None:
    if request.accept_mimetypes and not request.accept_mimetypes.accept_html:
        raise NotAcceptable("This is a page of HTML; /data/latest and the other routes have the same as JSON.")


def render(template: str, *, providers: Iterable[str] = (), status: int = 200, **more: Any) -> Response:
    """A page, or 304 where the browser has it as it is.

    Args:
        template: Name of its template.
        providers: The providers whose data are shown, which are credited.
        status: HTTP status.
        more: What the template wants.
    """
    settings = get_settings()
    health, _ = report()
    text = render_template(
        template,
        now=clock.now(),
        health=health,
        demo=settings.demo,
        version=__version__,
        # What is not there, or cannot be shown, is not asked for again.
        refresh_seconds=0 if 400 <= status < 500 else int(max(_SOONEST, min(_LATEST, settings.interval)).total_seconds()),
        attributions=[PROVIDERS[name].attribution for name in sorted(set(providers)) if name in PROVIDERS],
        titles={name: provider.title for name, provider in PROVIDERS.items()},
        **more,
    )
    response = make_response(text, status)
    response.headers["Cache-Control"] = "no-cache"
    response.vary.add("Accept")
    if status == 200:
        response.set_etag(hashlib.blake2b(_AGES.sub(r"\1\2", text).encode(), digest_size=12).hexdigest(), weak=True)
        response.make_conditional(request)
    return response


def page_number() -> int:
    """The parameter ``page``: 1 is the first."""
    text = request.args.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise BadInputError("page", text, "must be a whole number from 1 to 99999")
    return int(text)


@blueprint.errorhandler(BadInputError)
def _bad_input(error: BadInputError) -> Response:
    return render("error.html", status=400, title="That cannot be shown", detail=bad_input_detail(error))


@blueprint.errorhandler(LocationNotFoundError)
def _not_found(error: LocationNotFoundError) -> Response:
    return render("error.html", status=404, title="There is no such location", detail=str(error))


@blueprint.errorhandler(StoreError)
@blueprint.errorhandler(DBAPIError)
def _no_database(error: Exception) -> Response:
    log.error("the database failed", reason=str(error))  # in the words of the driver, as for every other route
    detail = "The database does not answer. This page comes back by itself as soon as it does."
    return render("error.html", status=503, title="Nothing can be read", detail=detail)
