"""A real MQTT broker, and a client that listens to it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from support import absent, wait_until

PASSWORD = "broker-pass-0123456789"


class Broker:
    """Mosquitto on a port, with a user; what it retains is lost with its end."""

    def __init__(self, folder: Path, port: int) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            absent("mosquitto")
        self._program, self._folder, self.port = program, folder, port
        self._process: subprocess.Popen[bytes] | None = None
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        maker = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        subprocess.run([maker, "-b", str(passwords), "weather", PASSWORD], check=True, capture_output=True)
        lines = [f"listener {port} 127.0.0.1", "allow_anonymous false", f"password_file {passwords}", "persistence false"]
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join([*lines, *_user()]))

    @property
    def url(self) -> str:
        """For the setting."""
        return f"mqtt://weather:{PASSWORD}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        log = (self._folder / "mosquitto.log").open("ab")
        self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        log.close()
        wait_until(self._listens, 20, "a broker that listens")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _listens(self) -> bool:
        with Listener(self) as listener:
            return listener.is_connected


def _user() -> list[str]:
    """Root starts it as another user, who may not read the files of a test."""
    return ["user root"]


class Listener:
    """Keeps what the broker sends: every message, and the last one of each topic."""

    def __init__(self, broker: Broker, *topics: str) -> None:
        self.messages: list[tuple[str, str]] = []
        self._topics = topics
        self._client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self._client.username_pw_set("weather", PASSWORD)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._has_subscribed = False
        self._client.on_subscribe = self._on_subscribe
        self.is_connected = False
        try:
            self._client.connect("127.0.0.1", broker.port)
        except OSError:
            return
        self._client.loop_start()
        wait_until(lambda: self._has_subscribed if topics else self._client.is_connected(), 10, "a connection")
        self.is_connected = True

    def _on_connect(self, client: Any, *_: object) -> None:
        if self._topics:
            client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(self, *_: object) -> None:
        self._has_subscribed = True

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self.messages.append((message.topic, message.payload.decode()))

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Publish a message, and wait until the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def last(self, topic: str) -> str | None:
        """The last message of a topic."""
        return next((payload for name, payload in reversed(self.messages) if name == topic), None)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[Broker]:
    """A broker that runs."""
    broker = Broker(folder, port)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
