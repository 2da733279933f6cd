"""A provider that repeats the key in everything it says, which real ones do in some of their errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: What is answered, by the latitude that is asked for.
ANSWERS = {
    "1.0": (401, "error"),
    "2.0": (429, "error"),
    "3.0": (500, "error"),
    "4.0": (404, "line"),
    "5.0": (200, "line"),
    "6.0": (200, "wrong type"),
    "7.0": (302, "elsewhere"),
    "8.0": (302, "no address"),
    "9.0": (200, "half"),
    "10.0": (200, "bad encoding"),
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        key = query.get("appid", query.get("access_key", [""]))[0]
        latitude = query.get("lat", query.get("query", [""]))[0].partition(",")[0]
        status, kind = ANSWERS[latitude]
        body = self._body(kind, status, key)
        self.send_response(status)
        if kind == "elsewhere":
            self.send_header("Location", f"http://localhost:1{self.path}")
        if kind == "no address":
            self.send_header("Location", f"http://[{self.path}")
        if kind == "bad encoding":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body) * (2 if kind == "half" else 1)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self, kind: str, status: int, key: str) -> bytes:
        said: Any = f"{self.requestline} is wrong, and so is {key}"
        if kind == "error":
            said = {"cod": status, "message": said, "success": False, "error": {"code": 101, "type": key, "info": said}}
        if kind == "wrong type":
            said = {"main": {"temp": said}, "current": {"temperature": said}, "location": {"name": said}}
        return said.encode() if isinstance(said, str) else json.dumps(said).encode()

    def log_message(self, *_: Any) -> None:
        """Nothing: this one's standard error is the test's."""


@contextmanager
def echoing() -> Iterator[str]:
    """The address of such a provider, which is there as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
