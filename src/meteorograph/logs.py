"""Set up logging as the settings say: the public face of ``log_output.py``."""

from __future__ import annotations

from .config.loading import get_settings, unknown_settings
from .config.settings import Settings
from .log_output import LogConfig, configure_logging, get_logger

__all__ = ["get_logger", "setup_logging"]

_warned: set[str] = set()


def setup_logging(settings: Settings | None = None) -> None:
    """Send the log lines of this process where the settings say; a second call replaces what the first one set up.

    Warns once of each name that is set, looks like a setting and is none.

    Args:
        settings: Without them, those that the environment and ``.env`` give.

    Raises:
        ConfigurationError: The settings are wrong, or the log file cannot be opened.
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
        if line not in _warned:
            _warned.add(line)
            get_logger(__name__).warning(line)
