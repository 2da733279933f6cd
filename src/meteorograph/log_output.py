"""Logging: console or JSON lines on stderr, optionally a rotating file too, with request and run ids on every line."""

from __future__ import annotations

import io
import logging
import logging.handlers
import math
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import structlog

from . import redaction
from .errors import ConfigurationError
from .private_files import make_private_file, make_private_folder

_SHARED_PROCESSORS: Final[list[Any]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

_PROCESSORS: Final[list[Any]] = [
    structlog.stdlib.filter_by_level,
    *_SHARED_PROCESSORS,
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger with fields as keyword arguments, on top of the standard library's logger of this name."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=_PROCESSORS,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return cast("structlog.stdlib.BoundLogger", logger)


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Where log lines are written, and which."""

    #: The lowest level that is written.
    level: str = "INFO"
    #: ``console`` or ``json``.
    format: str = "console"
    #: A rotating file in addition to stderr; None for stderr only.
    file: Path | None = None
    #: Size at which the file is rotated [bytes], and number of old files.
    file_bytes: int = 10_000_000
    file_count: int = 5


def configure_logging(config: LogConfig) -> None:
    """Set up logging in this process; a second call replaces the handlers of the first.

    Raises:
        ConfigurationError: The log file cannot be opened.
    """
    redaction.install()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if config.file:
        try:
            make_private_folder(config.file.parent)
            rotating = _PrivateFileHandler(
                config.file,
                maxBytes=config.file_bytes,
                backupCount=config.file_count,
                encoding="utf-8",
            )
        except OSError as error:
            raise ConfigurationError(
                f"METEOROGRAPH_LOG_FILE={config.file}: {error.strerror}; it must be a writable file"
            ) from None
        handlers.append(rotating)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if getattr(handler, "of_meteorograph", False)]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        colours = config.format == "console" and handler is handlers[0] and sys.stderr.isatty()
        handler.setFormatter(_formatter(config.format, colours))
        handler.of_meteorograph = True  # type: ignore[attr-defined]  # marks our handlers, so that the next call replaces only these
        root.addHandler(handler)
    root.setLevel(config.level)
    # The ledger records skipped ticks already, so APScheduler need only log errors; the same for the details of Alembic.
    for name, level in (("apscheduler", logging.ERROR), ("alembic", logging.WARNING), ("werkzeug", logging.INFO)):
        logging.getLogger(name).setLevel(max(level, root.level))
    logging.captureWarnings(True)


#: Shortest time between two complaints about a log file that cannot be written [s].
_COMPLAINT_SECONDS: Final = 60.0


class _PrivateFileHandler(logging.handlers.RotatingFileHandler):
    """A rotated log file that only its owner may read."""

    _complained_at = -math.inf

    def _open(self) -> io.TextIOWrapper:
        make_private_file(Path(self.baseFilename))
        return super()._open()

    def close(self) -> None:
        with suppress(OSError):  # on a full disk the last lines cannot be written
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once a minute that the file cannot be written. The library prints a traceback for each line."""
        if time.monotonic() - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = time.monotonic()
            error = sys.exception()
            sys.stderr.write(f"METEOROGRAPH_LOG_FILE={self.baseFilename}: {getattr(error, 'strerror', None) or error}\n")


class _CleanFormatter(structlog.stdlib.ProcessorFormatter):
    """Redacts the finished line, because context variables and filters may have added a secret to a redacted record."""

    def format(self, record: logging.LogRecord) -> str:
        return redaction.redact(super().format(record))


def _formatter(form: str, colours: bool) -> logging.Formatter:
    renderer: Any = (
        structlog.processors.JSONRenderer(default=str)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback)
    )
    return _CleanFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=[*_SHARED_PROCESSORS, _foreign_traceback],
    )


def _foreign_traceback(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the exception of a foreign log record, which redaction has already turned into text."""
    record: logging.LogRecord = event["_record"]
    if record.exc_text:
        event["exception"] = record.exc_text
    return event
