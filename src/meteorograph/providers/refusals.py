"""The old name of ``http_errors``. Provider plug-ins import ``refused`` from here."""

from __future__ import annotations

from .http_errors import error_for_status

refused = error_for_status

__all__ = ["refused"]
