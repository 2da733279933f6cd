"""Import the modules that register jobs (``METEOROGRAPH_JOBS``)."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from ..config.settings import Settings
from ..errors import ConfigurationError


def import_job_modules(settings: Settings) -> None:
    """Import the modules of the settings, from the current folder too. A module is imported once in a process.

    Raises:
        ConfigurationError: A module cannot be imported, or a job in it is invalid.
    """
    if settings.jobs and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # the command meteorograph starts without it
    for name in settings.jobs:
        try:
            import_module(name)
        except Exception as error:
            reason = str(error) if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"
            raise ConfigurationError(
                f"METEOROGRAPH_JOBS={name}: {reason}; it must name modules that can be imported, separated by commas"
            ) from error
