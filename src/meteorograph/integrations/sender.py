"""The threads of this process that send rows to integrations. The scheduler starts and stops them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from ..config.settings import Settings
from .channel import Channel
from .influxdb import INFLUXDB
from .influxdb_file import INFLUXDB_FILE
from .mqtt import MQTT

KINDS: Final = (MQTT, INFLUXDB, INFLUXDB_FILE)

#: How long a stop waits for what is being sent [s].
STOP_SECONDS: Final = 2.0


@dataclass(slots=True)
class Sender:
    """A thread for each integration that is set up."""

    _threads: dict[str, threading.Thread] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self, settings: Settings) -> None:
        """Start the threads that do not run yet."""
        for kind in KINDS:
            thread = self._threads.get(kind.name)
            if kind.config(settings) is not None and (thread is None or not thread.is_alive()):
                name = f"meteorograph-{kind.name}"
                self._threads[kind.name] = threading.Thread(target=Channel(kind).run, args=(self._stop,), name=name, daemon=True)
                self._threads[kind.name].start()

    def stop(self) -> None:
        """Let the threads end; rows that are on their way are sent again by the next process."""
        self._stop.set()
        for thread in self._threads.values():
            thread.join(STOP_SECONDS)
        self.reset()

    def reset(self) -> None:
        """Forget the threads, which do not survive a fork."""
        self._threads, self._stop = {}, threading.Event()


#: The sender of this process.
SENDER: Final = Sender()


def configured_names(settings: Settings) -> list[str]:
    """The names of the integrations that are set up."""
    return [kind.name for kind in KINDS if kind.config(settings) is not None]
