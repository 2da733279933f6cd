"""Requests as they arrive: what is refused before its body is read, and how long a client may take to send one."""

from __future__ import annotations

import copy
import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from waitress.parser import HTTPRequestParser
from waitress.utilities import Error, RequestEntityTooLarge

from ..config.settings import MAX_BODY_BYTES, MAX_IMPORT_BYTES

#: The only path that takes a large body.
IMPORT_PATH: Final = "/api/locations/import"

#: How long a client may take to send a request [s], and a large body.
REQUEST_SECONDS: Final = 60.0
_IMPORT_SECONDS: Final = 600.0

#: What a client that was refused should wait [s].
_RETRY_AFTER: Final = 2


class _ProblemError(Error):  # type: ignore[misc]  # waitress is not typed
    """An error as a problem document, as the application's errors are."""

    headers: tuple[tuple[str, str], ...] = ()

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        request_id = uuid.uuid4().hex
        document = {
            "type": "about:blank",
            "title": self.reason,
            "status": self.code,
            "detail": self.body,
            "request_id": request_id,
        }
        head = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"), ("X-Request-ID", request_id)]
        return f"{self.code} {self.reason}", [*head, *self.headers], json.dumps(document).encode() + b"\n"


class BusyError(_ProblemError):
    """No thread was free in time."""

    code = 503
    reason = "Service Unavailable"
    headers = (("Retry-After", str(_RETRY_AFTER)),)

    def __init__(self) -> None:
        super().__init__("More requests wait than this server can answer. Try again later.")


class LargeBodyError(_ProblemError):
    """The body is larger than its route takes."""

    code = 413
    reason = "Request Entity Too Large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body may have {limit} bytes.")


class NoTokenError(_ProblemError):
    """The request has no token, and needs one."""

    code = 401
    reason = "Unauthorized"
    headers = (("WWW-Authenticate", 'Bearer realm="meteorograph"'),)

    def __init__(self) -> None:
        super().__init__("This needs a token, sent as 'Authorization: Bearer TOKEN' or 'X-API-Key: TOKEN'.")


class RequestParser(HTTPRequestParser):  # type: ignore[misc]  # waitress is not typed
    """One request. Its body may have as many bytes as its route takes, and is not read without a token where one is needed.

    Args:
        adj: Adjustments of the server.
        needs_token: Whether a request that has a body needs a token.
    """

    adj: Any
    error: Any

    def __init__(self, adj: Any, needs_token: Callable[[], bool]) -> None:
        super().__init__(adj)
        self._needs_token = needs_token
        self.begun_at = time.monotonic()
        self.seconds = REQUEST_SECONDS

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        is_import = self.path == IMPORT_PATH and self.command == "POST"
        limit = MAX_IMPORT_BYTES if is_import else MAX_BODY_BYTES
        self.adj = copy.copy(self.adj)
        self.adj.max_request_body_size = limit + 1  # waitress refuses a body of exactly this size
        if is_import:
            self.seconds = _IMPORT_SECONDS

    def received(self, data: bytes) -> int:
        had_headers = self.headers_finished
        consumed = int(super().received(data))
        if self.headers_finished and not had_headers and not self.error and self._is_refused():
            self.error, self.completed, self.expect_continue = NoTokenError(), True, False
        if isinstance(self.error, RequestEntityTooLarge):
            self.error = LargeBodyError(self.adj.max_request_body_size - 1)
        return consumed

    def _is_refused(self) -> bool:
        """Whether there is a body that needs a token, and no token. The application looks at the token itself."""
        has_body = self.chunked or self.content_length > 0
        has_token = self.headers.get("AUTHORIZATION") or self.headers.get("X_API_KEY")
        return has_body and not has_token and self._needs_token()
