"""The service in one process: web server, scheduler and collector."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from types import FrameType

import waitress.server

from . import scheduler
from .db import init_db
from .demo import demonstration
from .errors import ConfigurationError, MissingAPIKeyError
from .logs import get_logger, setup_logging
from .observe import sources
from .settings import Settings
from .web.app import create_app

log = get_logger(__name__)

#: Requests that are served at once; each holds a database connection for some milliseconds.
THREADS = 8


def serve(settings: Settings, *, demo: bool = False, demo_without_key: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; what is being collected is then finished or given back.

    Raises:
        ConfigurationError: There is no key to collect with, the address cannot be used, or a setting is wrong.
        StoreError: The database cannot be brought up to date.
    """
    setup_logging(settings)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _end)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(settings.host, settings.port))
        if demo or (demo_without_key and not _has_key(settings)):
            settings = stack.enter_context(demonstration(settings))
            log.warning("no weather is real here: this is the built-in simulator; set OWM_API_KEY to collect for real")
        elif settings.scheduler_enabled:
            _require_key(settings)
        stack.callback(scheduler.stop)
        app = create_app(settings)
        init_db()
        server = waitress.server.create_server(app, sockets=[listener], threads=THREADS, ident=None)
        stack.callback(server.close)
        log.info("serving", address=_address(listener), interval=str(settings.interval), database=_shown(settings))
        server.run()
        log.info("stopping")


def _has_key(settings: Settings) -> bool:
    try:
        sources(settings)
    except MissingAPIKeyError:
        return False
    return True


def _require_key(settings: Settings) -> None:
    try:
        sources(settings)
    except MissingAPIKeyError as error:
        raise MissingAPIKeyError(f"{error}; to try it without a key: meteorograph serve --demo") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError(
            f"HOST={host} PORT={port}: {reason}; it must be an address of this machine and a port that is free"
        ) from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _shown(settings: Settings) -> str:
    from .db import database_url

    return database_url(settings.database_url.get_secret_value()).render_as_string(hide_password=True)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    raise SystemExit(0)
