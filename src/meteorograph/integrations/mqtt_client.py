"""A connection to an MQTT broker, on which a message counts as sent once the broker has acknowledged it."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from ..redaction import redact
from .receiver import ReceiverError

#: Longest wait for the broker: for a connection, and for the acknowledgements of a batch [s].
TIMEOUT_SECONDS: Final = 10.0
#: How soon the broker notices that this process is gone [s].
_KEEP_ALIVE_SECONDS: Final = 30
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class Message(NamedTuple):
    """A message to publish; an empty payload deletes the retained one."""

    topic: str
    payload: str
    retain: bool = False


class MqttClient:
    """One connection, which is not opened again: a failure closes it, and the next attempt makes another.

    The callbacks only set an event or fill a queue, so none of them can raise and end paho's thread.

    Raises:
        ReceiverError: The broker cannot be reached, or refuses the connection.
    """

    def __init__(self, url: str, client_id: str, will: Message) -> None:
        parts = urlsplit(url)
        self.place = f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
        self.received: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._answered = threading.Event()
        self._refusal: str | None = None
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
        self._client.connect_timeout = TIMEOUT_SECONDS
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        if parts.username is not None:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self._client.tls_set_context(ssl.create_default_context())
        self._connect(str(parts.hostname), parts.port or _PORTS[parts.scheme])

    def _connect(self, host: str, port: int) -> None:
        try:
            self._client.connect(host, port, _KEEP_ALIVE_SECONDS)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        else:
            self._client.loop_start()
            if self._answered.wait(TIMEOUT_SECONDS) and self._refusal is None:
                return
            reason = self._refusal or "no answer in time"
            self.close()
        raise ReceiverError(f"{self.place}: {redact(reason)}")

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._refusal = str(code) if code.is_failure else None
        self._answered.set()

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self.received.put((message.topic, message.payload.decode("utf-8", "replace")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def subscribe(self, *topics: str) -> None:
        """Receive the messages of these topics in ``received``."""
        self.check()
        self._client.subscribe([(topic, 1) for topic in topics])

    def check(self) -> None:
        """Raise a ``ReceiverError`` if the connection is lost."""
        if not self._client.is_connected():
            raise ReceiverError(f"{self.place}: the connection was lost")

    def publish(self, messages: Iterable[Message]) -> None:
        """Publish messages, and return once the broker has acknowledged all of them.

        Raises:
            ReceiverError: An acknowledgement is missing.
        """
        self.check()
        waiting: list[MQTTMessageInfo] = []
        for message in messages:
            info = self._client.publish(message.topic, message.payload.encode(), qos=1, retain=message.retain)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise ReceiverError(f"{self.place}: the connection was lost")
            waiting.append(info)
        deadline = time.monotonic() + TIMEOUT_SECONDS + len(waiting) / 100
        for info in waiting:
            with suppress(RuntimeError, ValueError):
                info.wait_for_publish(max(0.01, deadline - time.monotonic()))
            if not info.is_published():
                raise ReceiverError(f"{self.place}: the broker has not acknowledged all messages")

    def close(self) -> None:
        """Close the connection; without a ``publish`` before it, the broker sends the last will. Never raises."""
        with suppress(Exception):
            self._client.disconnect()
        with suppress(Exception):
            self._client.loop_stop()
