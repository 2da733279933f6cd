"""Parts of all pages: service state, provider credits, ETag, and error pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from flask import Blueprint, Response, make_response, render_template, request
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import Forbidden, NotAcceptable

from ...config.loading import get_settings
from ...errors import ArchiveError, BadInputError, LocationNotFoundError, StoreError
from ...healing.planner import history_providers
from ...i18n import CODES, Language, Phrase
from ...log_output import get_logger
from ...model import clock
from ...model.states import TokenScope
from ...providers.registry import PROVIDERS
from ...version import __version__
from .. import access
from ..health_report import HealthReport, read_report
from ..problems import bad_input_detail
from .display import Display
from .filters import FILTERS, code_marks, in_language_of_page
from .preferences import SYSTEMS, THEMES, Preferences, keep_preferences, read_lang, read_preferences, read_theme
from .script_texts import script_texts
from .service_sentence import service_sentence
from .words import FILTERS as WORD_FILTERS

log = get_logger(__name__)
blueprint = Blueprint("page", __name__)
blueprint.add_app_template_filter(code_marks)
for function in (*FILTERS, *WORD_FILTERS):
    blueprint.add_app_template_filter(in_language_of_page(function), function.__name__)

#: Shortest and longest time between two updates of a page.
_SOONEST: Final = timedelta(seconds=5)
_LATEST: Final = timedelta(seconds=30)

#: Endpoints that answer with something else than a page.
_FILES: Final = ("page.chart", "page.plotly_script", "page.leaflet_file")

#: Choice of colours → the media in which they are the dark ones. Paper is always light.
DARK_MEDIA: Final = {"auto": "screen and (prefers-color-scheme: dark)", "dark": "screen", "light": "not all"}

#: Ages, which change without new data. They are not part of the ETag.
_AGES: Final = re.compile(r"(<time[^>]*>)[^<]*(</time>)")


@blueprint.before_request
def _require_html() -> None:
    if request.endpoint not in _FILES and request.accept_mimetypes and not request.accept_mimetypes.accept_html:
        raise NotAcceptable("This page is HTML only. /data/latest and the other API routes answer in JSON.")


def render(
    template: str,
    *,
    providers: Iterable[str] = (),
    status: int = 200,
    place_zone: str | None = None,
    report: HealthReport | None = None,
    **context: Any,
) -> Response:
    """Render a page, or answer 304 if the browser has it already.

    Args:
        template: File name of the template.
        providers: Providers of the data on the page, for the credits.
        status: HTTP status.
        place_zone: IANA zone of the place that the page shows, if it shows one place.
        report: The state of the service, if it was read already.
        context: Variables of the template.
    """
    settings, now = get_settings(), clock.now()
    report = report or read_report(may_be_recent=True)
    preferences = read_preferences() if status != 400 else Preferences(lang=read_lang(), theme=read_theme())
    display = Display(preferences, place_zone)
    heals = settings.healing and bool(history_providers(settings))
    text = render_template(
        template,
        now=now,
        health=report,
        sentence=service_sentence(report, lambda at: display.moment(at, now), heals=heals, language=display.language),
        **language_variables(display.language),
        preferences=preferences,
        systems=SYSTEMS,
        themes=THEMES,
        display=display,
        demo=settings.demo,
        version=__version__,
        is_signed_in=access.is_signed_in(),
        wants_token=access.lacks(TokenScope.ADMIN),
        # A page with a client error does not update itself.
        refresh_seconds=0 if 400 <= status < 500 else int(max(_SOONEST, min(_LATEST, settings.interval)).total_seconds()),
        attributions=[PROVIDERS[name].attribution for name in sorted(set(providers)) if name in PROVIDERS],
        titles={name: provider.title for name, provider in PROVIDERS.items()},
        **context,
    )
    response = make_response(text, status)
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.add("Accept")
    keep_preferences(response)
    if status == 200:
        response.set_etag(hashlib.blake2b(_AGES.sub(r"\1\2", text).encode(), digest_size=12).hexdigest(), weak=True)
        response.make_conditional(request)
    return response


def language_variables(language: Language) -> dict[str, Any]:
    """What all templates need: the language, functions for texts, for counts and for words with a context, and the colours."""
    return {
        "language": language,
        "languages": CODES,
        "dark_media": DARK_MEDIA.__getitem__,
        "_": language.markup,
        "_n": language.markup_n,
        "_c": language.markup_in,
        "texts": lambda *names: script_texts(language, names),
    }


def page_number() -> int:
    """The parameter ``page``, counted from 1."""
    text = request.args.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise BadInputError("page", text, "must be a whole number from 1 to 99999")
    return int(text)


@blueprint.errorhandler(BadInputError)
def _bad_input(error: BadInputError) -> Response:
    return render("error.html", status=400, title=Phrase("Invalid parameter"), technical=bad_input_detail(error))


@blueprint.errorhandler(Forbidden)
def _forbidden(error: Forbidden) -> Response:
    return render("error.html", status=403, title=Phrase("Not allowed"), technical=error.description)


@blueprint.errorhandler(LocationNotFoundError)
def _not_found(error: LocationNotFoundError) -> Response:
    return render(
        "error.html",
        status=404,
        title=Phrase("Location not found"),
        detail=Phrase("No location is named {name}.", name=repr(error.name)),
    )


@blueprint.errorhandler(ArchiveError)
def _no_archive(error: ArchiveError) -> Response:
    log.error("a sealed month cannot be read", reason=str(error))
    detail = Phrase("The file of a month in the archive is missing or damaged.")
    return render("error.html", status=503, title=Phrase("A sealed month cannot be read"), detail=detail)


@blueprint.errorhandler(StoreError)
@blueprint.errorhandler(DBAPIError)
def _no_database(error: Exception) -> Response:
    log.error("the database failed", reason=str(error))  # the driver's text, as for every other route
    detail = Phrase("The database does not answer. This page keeps trying.")
    return render("error.html", status=503, title=Phrase("Database not available"), detail=detail)
