"""Set up logging from the settings: the public interface of ``log_output.py``."""

from __future__ import annotations

from .config.loading import get_settings, unknown_settings
from .config.settings import Settings
from .log_output import LogConfig, configure_logging, get_logger

__all__ = ["get_logger", "setup_logging"]

#: Lines about unknown settings that have been logged.
_reported: set[str] = set()


def setup_logging(settings: Settings | None = None) -> None:
    """Set up logging in this process; a second call replaces the handlers of the first.

    Logs a warning for each variable that looks like a setting but is none; each warning once.

    Args:
        settings: By default those of the environment and ``.env``.

    Raises:
        ConfigurationError: A setting is invalid, or the log file cannot be opened.
    """
    settings = settings or get_settings()
    configure_logging(
        LogConfig(
            level=settings.log_level,
            format=settings.log_format,
            file=settings.log_file,
            file_bytes=settings.log_file_bytes,
            file_count=settings.log_file_count,
        )
    )
    for line in unknown_settings():
        if line not in _reported:
            _reported.add(line)
            get_logger(__name__).warning(line)
