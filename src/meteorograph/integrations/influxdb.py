"""Writes rows to InfluxDB over its HTTP interface, version 2, which InfluxDB 3, VictoriaMetrics and Telegraf have too."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode, urlsplit

from ..config.settings import Settings
from ..redaction import redact
from ..version import __version__
from .line_protocol import to_line
from .receiver import Kind, ReceiverError, StoredRow

#: Longest wait for a connection, and for each part of an answer [s].
TIMEOUT_SECONDS: Final = 10.0

#: Statuses about the points themselves: sending them again would not help.
_REFUSED: Final = frozenset({400, 413, 422})
#: Longest body of an answer that is read [bytes].
_MAX_ANSWER: Final = 10_000


class InfluxReceiver:
    """Sends each batch in a request of its own."""

    def __init__(self, settings: Settings) -> None:
        assert settings.influxdb_url is not None
        parts = urlsplit(settings.influxdb_url)
        self._scheme, self._place = parts.scheme, parts.netloc
        query = {"bucket": settings.influxdb_bucket, "precision": "ns"}
        if settings.influxdb_org is not None:
            query["org"] = settings.influxdb_org
        self._target = f"{parts.path.rstrip('/')}/api/v2/write?{urlencode(query)}"
        self._headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": f"meteorograph/{__version__}"}
        if settings.influxdb_token is not None:
            self._headers["Authorization"] = f"Token {settings.influxdb_token.get_secret_value()}"

    def keep_up(self) -> None:
        """Does nothing: there is no standing connection."""

    def send(self, rows: Sequence[StoredRow]) -> list[str]:
        """Write rows; of rows that are refused together, each is tried alone, so that one bad row costs itself only."""
        return self._write([to_line(row) for row in rows])

    def close(self) -> None:
        """Does nothing: there is no standing connection."""

    def _write(self, lines: Sequence[str]) -> list[str]:
        if not lines:
            return []
        status, said, retry_after = self._post("\n".join(lines).encode())
        if 200 <= status < 300:
            return []
        if status not in _REFUSED:
            raise ReceiverError(f"{self._place} answers {status}{f': {said}' if said else ''}", retry_after)
        if len(lines) == 1:
            return [f"{status}: {said}"]
        middle = len(lines) // 2
        return [*self._write(lines[:middle]), *self._write(lines[middle:])]

    def _post(self, body: bytes) -> tuple[int, str, float]:
        """Status, message and ``Retry-After`` [s] of the answer."""
        connection_type = http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
        connection = connection_type(self._place, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", self._target, body, self._headers)
            answer = connection.getresponse()
            wait = answer.getheader("Retry-After") or ""
            return answer.status, _message(answer.read(_MAX_ANSWER)), float(wait) if wait.isdecimal() else 0.0
        except (OSError, http.client.HTTPException, ssl.CertificateError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        finally:
            connection.close()
        raise ReceiverError(f"{self._place}: {redact(reason)}")


def _message(body: bytes) -> str:
    """The message of an answer: of its JSON object, or its text."""
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        text = str(found.get("message") or found.get("error") or text) if isinstance(found, dict) else text
    except ValueError:
        pass
    return redact(" ".join(text.split()))[:200]


def _config(settings: Settings) -> object | None:
    token = settings.influxdb_token and settings.influxdb_token.get_secret_value()
    parts = (settings.influxdb_url, settings.influxdb_org, settings.influxdb_bucket, token)
    return parts if settings.influxdb_url else None


INFLUXDB: Final = Kind("influxdb", _config, InfluxReceiver)
