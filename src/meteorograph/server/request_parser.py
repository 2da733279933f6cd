"""Requests as they arrive: what is refused before its body is read, and how long a client may take to send one."""

from __future__ import annotations

import copy
import json
import time
import uuid
from typing import Any, Final

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

from ..config.settings import MAX_BODY_BYTES, MAX_IMPORT_BYTES

#: The only path that takes a large body.
IMPORT_PATH: Final = "/api/locations/import"

#: How long a client may take to send a request [s], and a large body.
REQUEST_SECONDS: Final = 60.0
_IMPORT_SECONDS: Final = 600.0

#: Longest line between the chunks of a body [bytes]. The library looks at all of it each time that a part arrives.
_MAX_CHUNK_LINE: Final = 8192

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


class _RefusedError(_ProblemError):
    """What the library refuses: a request that is no HTTP, or too large."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.body)
        self.code, self.reason = error.code, error.reason


class RequestParser(HTTPRequestParser):  # type: ignore[misc]  # waitress is not typed
    """One request. Its body may have as many bytes as its route takes, and waits until its headers have been checked.

    Args:
        adj: Adjustments of the server.
        has_check: Whether the application checks the headers of a request before its body is read.
    """

    adj: Any
    error: Any
    #: Of a request that is no HTTP too; the library needs it for its log.
    path: str = ""
    expect_continue: bool
    #: The request of which this is only the headers.
    whole: RequestParser | None = None
    #: Whether the body waits for the check of the headers.
    is_waiting = False
    #: Whether the headers have passed the check; set by the thread that made it.
    has_passed = False

    def __init__(self, adj: Any, *, has_check: bool) -> None:
        super().__init__(adj)
        self._has_check = has_check
        self._is_continue_expected = self._has_head = False
        #: What arrived together with the headers: at most one read of the socket.
        self._early = b""
        self.begun_at = time.monotonic()
        self.seconds = REQUEST_SECONDS

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError:  # a number of thousands of digits, or brackets in the address that hold none
            raise ParsingError("The request is no valid HTTP.") from None
        self.path = f"/{self.path.lstrip('/')}" if self.path.startswith("/") else self.path  # as the application will see it
        is_import = self.path == IMPORT_PATH and self.command == "POST"
        limit = MAX_IMPORT_BYTES if is_import else MAX_BODY_BYTES
        self.adj = copy.copy(self.adj)
        self.adj.max_request_body_size = limit + 1  # waitress refuses a body of exactly this size
        if is_import:
            self.seconds = _IMPORT_SECONDS

    def received(self, data: bytes) -> int:
        if self.is_waiting:
            self._early += data
            return len(data)
        had_headers = self.headers_finished
        consumed = int(super().received(data))
        if self.headers_finished and not had_headers and self.body_rcv is not None:
            self.is_waiting = self._has_check and not self.error
            self._is_continue_expected = self.expect_continue and not self.error
            self.expect_continue = self._is_continue_expected and not self.is_waiting
        if self.chunked and had_headers and not self.completed:
            self._bound_chunks()
        if isinstance(self.error, RequestEntityTooLarge):
            self.error = LargeBodyError(self.adj.max_request_body_size - 1)
        elif self.error and not isinstance(self.error, _ProblemError):
            self.error = _RefusedError(self.error)
        return consumed

    def _bound_chunks(self) -> None:
        """Refuse what the size of a chunk announces, and lines between chunks that have no end."""
        receiver = self.body_rcv
        if self.body_bytes_received + receiver.chunk_remainder >= self.adj.max_request_body_size:
            self.error, self.completed = LargeBodyError(self.adj.max_request_body_size - 1), True
        elif len(receiver.control_line) + len(receiver.trailer) > _MAX_CHUNK_LINE:
            self.error, self.completed = BadRequest("A line between chunks is too long."), True

    def take_head(self) -> RequestParser | None:
        """The headers as a request of their own, once, if the body waits for their check."""
        if not self.is_waiting or self._has_head:
            return None
        self._has_head = True
        head = copy.copy(self)
        head.whole, head.body_rcv, head.is_waiting, head.completed = self, None, False, True
        return head

    def read_on(self) -> bytes:
        """Read the body from now on; what of it has arrived already."""
        self.is_waiting = False
        # A client that has begun to send the body does not wait for permission.
        self.expect_continue = self._is_continue_expected and not self._early
        early, self._early = self._early, b""
        return early
