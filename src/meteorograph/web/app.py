"""The Flask application factory."""

from __future__ import annotations

import os
import re
import uuid
from typing import Final

from flask import Flask, Response, current_app, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from .. import scheduler_start
from ..config.loading import get_settings, pin_settings
from ..config.settings import MAX_BODY_BYTES, Settings
from ..errors import StoreError
from ..failover.file_modes import make_files_private
from ..jobs.modules import import_job_modules
from ..logs import get_logger, setup_logging
from ..storage.engine import init_db
from . import (
    access,
    aggregate,
    alerts,
    assets,
    bounded_reads,
    compression,
    cors,
    data,
    headers_check,
    health,
    host_check,
    http_rules,
    ingest,
    jobs,
    ledger,
    locations,
    metrics,
    openapi,
    page,
    places,
    problems,
    proxies,
    quota,
    tasks,
)
from .content_policy import content_policy
from .page import map_data
from .rate_limits import CallerLimits

log = get_logger(__name__)

#: Key in ``app.extensions``: id of the process in which the application started the scheduler.
_STARTED_IN: Final = "meteorograph.scheduler"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

#: Pages load only our own files, and no other site may embed them.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": content_policy(),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application: logging, database, routes, and the scheduler unless it is disabled.

    Works without a network, a provider or a reachable database, and if the scheduler cannot be started; ``/health`` names what
    is missing.

    Args:
        settings: Settings of this process from now on. Without them every use reads the environment.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    pin_settings(settings)
    settings = get_settings()
    setup_logging(settings)
    import_job_modules(settings)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has this attribute
    for module in (
        aggregate,
        alerts,
        data,
        health,
        ingest,
        jobs,
        ledger,
        locations,
        map_data,
        metrics,
        openapi,
        page,
        places,
        quota,
        tasks,
    ):
        app.register_blueprint(module.blueprint)
    app.extensions[access.LIMITS] = CallerLimits(settings.requests_per_minute)
    problems.register(app)
    cors.register(app, settings.cors_origins)
    app.before_request(_begin)
    http_rules.register(app)
    app.before_request(host_check.refuse_other_hosts)
    app.before_request(access.limit_requests)
    app.before_request(access.refuse_other_sites)
    app.before_request(access.require_token_of_route)
    app.before_request(headers_check.answer_headers)
    app.after_request(_end)
    assets.register(app)
    compression.register(app)
    app.after_request(http_rules.complete)  # the last one runs first
    bounded_reads.register(app)
    proxies.register(app, settings.proxies)
    try:
        init_db()
    except StoreError as error:
        log.error("the database is not usable yet", reason=str(error))  # noqa: TRY400  # the reason is enough
    make_files_private(settings)
    if settings.scheduler_enabled:
        _start_scheduler(app, settings)
    return app


def _start_scheduler(app: Flask, settings: Settings) -> None:
    scheduler_start.start(settings)
    app.extensions[_STARTED_IN] = os.getpid()


def _begin() -> None:
    request_id = request.headers.get("X-Request-ID", "")
    g.request_id = request_id if _REQUEST_ID.fullmatch(request_id) else uuid.uuid4().hex
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)
    settings = get_settings()
    if not settings.scheduler_enabled:
        return
    if current_app.extensions.get(_STARTED_IN) != os.getpid():  # a worker forked from a preloaded application has no threads
        _start_scheduler(current_app, settings)
    else:
        scheduler_start.retry_if_due(settings)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if response.status_code != 100:
        log.info("request", method=request.method, path=request.path, status=response.status_code)
    return response
