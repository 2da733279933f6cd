"""The service in one process: web server, scheduler and collector, or scheduler and collector alone."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

from .. import scheduler, scheduler_start
from ..accounts import plan_inputs
from ..archiving.candidates import require_pyarrow
from ..collecting.run_context import require_key
from ..config.loading import pin_settings
from ..config.settings import Settings
from ..config.sources import ENV_FILE
from ..errors import ConfigurationError, FallbackDatabaseError, MissingAPIKeyError, NewerSchemaError, StoreError
from ..failover.database_file import has_fallback
from ..failover.file_modes import make_files_private
from ..jobs.modules import import_job_modules
from ..journal.store import require_store
from ..logs import get_logger, setup_logging
from ..model import clock
from ..storage.connections import shown_url
from ..storage.engine import database_url, init_db
from ..web import access
from ..web.app import create_app
from ..web.headers_check import headers_check
from ..web.warm_up import warm_up
from . import systemd
from .demo import demonstration
from .memory import bound_arenas
from .signals import handle_signals
from .web_server import WebServer
from .workers import Workers, process_count

log = get_logger(__name__)


def serve(settings: Settings, *, demo: bool = False, demo_without_key: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; then finish or give back the current runs.

    Raises:
        ConfigurationError: No key is configured, the address cannot be used, or a setting is wrong.
        StoreError: The database cannot be used, and the fallback database does not know enough to collect without it.
    """
    workers = Workers()
    _begin(settings, workers)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(settings.host, settings.port))
        if demo or (demo_without_key and not _has_key(settings)):
            settings = stack.enter_context(demonstration(settings, has_troubles=True))
            log.warning("simulated weather from the built-in simulator; set OWM_API_KEY to collect real weather")
        elif settings.scheduler_enabled:
            _require_key(settings)
        _prepare(settings)
        access.refuse_to_listen_without_tokens(settings)
        stack.callback(workers.wait)
        stack.callback(scheduler.stop)
        app = create_app(settings)
        server = WebServer(app, listener, is_behind_proxy=bool(settings.proxies), check=headers_check(app))
        stack.callback(server.close)
        warm_up(app)
        log.info(
            "serving",
            address=_address(listener),
            interval=str(settings.interval),
            database=shown_url(database_url()),
            settings=_settings_file(),
        )
        stack.callback(workers.end)
        if settings.scheduler_enabled and not settings.demo:
            _start_workers(workers, settings)
        systemd.notify("READY=1")
        systemd.start_watchdog(settings)
        server.run()
        log.info("stopping")


def collect_forever(settings: Settings) -> None:
    """Run scheduler and collector without a web server until SIGTERM or SIGINT; other processes may serve.

    Raises:
        ConfigurationError: No key is configured, or a setting is wrong.
        StoreError: The database cannot be used, and the fallback database does not know enough to collect without it.
    """
    workers = Workers()
    _begin(settings, workers)
    _require_key(settings)
    _prepare(settings)
    make_files_private(settings)
    import_job_modules(settings)
    scheduler_start.start(settings)
    try:
        log.info("collecting", interval=str(settings.interval), database=shown_url(database_url()), settings=_settings_file())
        _start_workers(workers, settings)
        threading.Event().wait()
    finally:
        workers.end()
        scheduler.stop()
        workers.wait()
        log.info("stopping")


def _start_workers(workers: Workers, settings: Settings) -> None:
    """Start the processes that collect beside this one."""
    try:
        count = process_count(settings)
    except StoreError as error:
        log.warning("no further process collects, the database is away", reason=str(error))
        return
    if count > 1:
        log.info("starting workers", processes=count)
        workers.start(count - 1, settings.log_file)


def _begin(settings: Settings, workers: Workers) -> None:
    if settings.workers == 0 and settings.engine == "local":
        raise ConfigurationError(
            "METEOROGRAPH_WORKERS=0: must be at least 1 with METEOROGRAPH_ENGINE=local, whose processes collect"
        )
    require_pyarrow(settings)
    require_store(settings.journal_store)
    bound_arenas()
    setup_logging(settings)
    handle_signals(workers.hang_up)
    if settings.journal_days and settings.journal_dir.exists() and not settings.journal_dir.is_dir():
        # At the start only: later the service goes on without a journal.
        raise ConfigurationError(
            f"METEOROGRAPH_JOURNAL_DIR={settings.journal_dir}: must be a folder, or a path at which one can be made"
        )


def _prepare(settings: Settings) -> None:
    pin_settings(settings)
    try:
        init_db()
    except NewerSchemaError:
        raise
    except StoreError as error:
        if not (settings.scheduler_enabled and _has_fallback(settings)):
            raise
        log.error("starting without the database, collecting in the fallback database", reason=str(error))  # noqa: TRY400
        return
    if settings.scheduler_enabled and not settings.demo:
        plan_inputs.log_plan(settings, clock.now())


def _settings_file() -> str | None:
    """The file that settings were read from, if there is one."""
    return str(ENV_FILE.resolve()) if ENV_FILE.is_file() else None


def _has_fallback(settings: Settings) -> bool:
    """Whether the fallback database knows the locations, from a run that had the database."""
    try:
        return has_fallback(settings)
    except FallbackDatabaseError:
        return False


def _has_key(settings: Settings) -> bool:
    try:
        require_key(settings)
    except MissingAPIKeyError:
        return False
    return True


def _require_key(settings: Settings) -> None:
    try:
        require_key(settings)
    except MissingAPIKeyError as error:
        raise MissingAPIKeyError(f"{error}; to try it without a key, run meteorograph serve --demo") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).partition(" (while")[0]
        raise ConfigurationError(
            f"HOST={host} PORT={port}: {reason}; it must be an address of this machine and a port that is free"
        ) from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
