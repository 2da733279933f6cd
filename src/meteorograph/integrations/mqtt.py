"""Publishes rows to an MQTT broker, and announces each location to Home Assistant."""

from __future__ import annotations

import json
import queue
import random
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final, TypeVar

from ..config.loading import get_settings
from ..config.settings import Settings
from ..model import clock
from ..storage.engine import get_db_session
from .home_assistant import Topics, discovery_message, row_message, state_message
from .mqtt_client import Message, MqttClient
from .places import Place, read_newest, read_places
from .receiver import Kind, StoredRow

#: How often to look for new, renamed, removed and stale locations [s].
LOOK_SECONDS: Final = 30.0
#: Longest pause after Home Assistant has started, so that not all its devices answer in one moment [s].
MAX_ANNOUNCE_DELAY: Final = 5.0
#: Messages, and locations, of one batch.
_BATCH: Final = 500

_ONLINE, _OFFLINE = "online", "offline"

T = TypeVar("T")


class MqttReceiver:
    """Publishes, with QoS 1: each row to ``…/rows``; the newest one of each location, retained, to ``…/state``."""

    def __init__(self, settings: Settings) -> None:
        assert settings.mqtt_url is not None
        self._url = settings.mqtt_url.get_secret_value()
        self._topics = Topics(settings.mqtt_topic, "" if settings.mqtt_discovery == "none" else settings.mqtt_discovery)
        self._client: MqttClient | None = None
        #: What was announced on this connection.
        self._announced: dict[int, Place] = {}
        #: Monotonic time of the next look at the locations, and of the next announcement to Home Assistant.
        self._look_at = 0.0
        self._announce_at: float | None = None

    def keep_up(self) -> None:
        """Connect, announce the locations, and follow their changes."""
        client = self._connected()
        self._read_messages(client)
        at = time.monotonic()
        if self._announce_at is not None and at >= self._announce_at:
            self._announce_at, self._announced, self._look_at = None, {}, 0.0
        if at >= self._look_at:
            self._follow_places(client)
            self._look_at = at + LOOK_SECONDS

    def send(self, rows: Iterable[StoredRow]) -> list[str]:
        """Publish rows, and the newest one of each of their locations."""
        client, rows = self._connected(), list(rows)
        _publish(client, (Message(self._topics.rows(row.location_id), _json(row_message(*row[1:]))) for row in rows))
        ids = {row.location_id for row in rows} & self._announced.keys()
        self._publish_states(client, ids)
        if any(not self._announced[id_].is_fresh for id_ in ids):
            self._look_at = 0.0
        return []

    def close(self) -> None:
        """Tell that the service is gone, and close the connection."""
        client, self._client, self._announced = self._client, None, {}
        if client is not None:
            with suppress(Exception):
                client.publish([Message(self._topics.status, _OFFLINE, retain=True)])
            client.close()

    def _connected(self) -> MqttClient:
        if self._client is not None:
            self._client.check()
            return self._client
        will = Message(self._topics.status, _OFFLINE, retain=True)
        # All processes have one client id: the broker publishes the will of the one before, and then takes what this one says.
        client = self._client = MqttClient(self._url, self._topics.identifier(0), will)
        self._look_at, self._announce_at = 0.0, None
        watched = [self._topics.availability(0).replace("/0/", "/+/")]
        if self._topics.discovery:
            watched.append(self._topics.home_assistant)
        client.subscribe(*watched)
        client.publish([Message(self._topics.status, _ONLINE, retain=True)])
        return client

    def _read_messages(self, client: MqttClient) -> None:
        """Announce everything again if Home Assistant has started, and delete what is retained of locations that are gone."""
        ghosts: set[int] = set()
        with suppress(queue.Empty):
            while True:
                topic, payload = client.received.get_nowait()
                if topic == self._topics.home_assistant and payload == _ONLINE:
                    # Not secret; spreads the load.
                    self._announce_at = time.monotonic() + random.uniform(0, MAX_ANNOUNCE_DELAY)  # noqa: S311
                elif (id_ := self._topics.location_id(topic)) is not None and payload:
                    ghosts.add(id_)
        ghosts -= self._announced.keys()
        if ghosts:
            with get_db_session(read_only=True) as session:
                ghosts -= {place.id for place in read_places(session, get_settings(), clock.now())}
            self._forget(client, ghosts)

    def _follow_places(self, client: MqttClient) -> None:
        with get_db_session(read_only=True) as session:
            places = {place.id: place for place in read_places(session, get_settings(), clock.now())}
        before = self._announced
        self._forget(client, before.keys() - places.keys())
        new = {id_: place for id_, place in places.items() if id_ not in before}
        changed = [place for id_, place in places.items() if id_ in before and place != before[id_]]
        self._announce(client, [*new.values(), *changed], new.keys())
        self._announced = places

    def _announce(self, client: MqttClient, places: Collection[Place], new: Collection[int]) -> None:
        """Publish the discovery messages of locations, the newest values of new ones, and then that these are available."""
        topics = self._topics
        configs = (
            Message(topics.config(place.id), _json(discovery_message(topics, *place[:3])), retain=True) for place in places
        )
        _publish(client, configs if topics.discovery else ())
        self._publish_states(client, new)
        states = ((place.id, _ONLINE if place.is_fresh else _OFFLINE) for place in places)
        _publish(client, (Message(topics.availability(id_), state, retain=True) for id_, state in states))

    def _publish_states(self, client: MqttClient, ids: Collection[int]) -> None:
        """Publish the newest values of locations, which may be newer than the rows of a batch."""
        for part in _parts(sorted(ids)):
            with get_db_session(read_only=True) as session:
                rows = read_newest(session, part, clock.now())
            states = (Message(self._topics.state(row.location_id), _json(state_message(*row[1:])), retain=True) for row in rows)
            client.publish(states)

    def _forget(self, client: MqttClient, ids: Collection[int]) -> None:
        """Delete what the broker retains of locations, so that they do not come back with its next start."""
        topics = self._topics
        named = [topics.config] if topics.discovery else []
        for id_ in ids:
            client.publish(Message(name(id_), "", retain=True) for name in (*named, topics.state, topics.availability))


def _publish(client: MqttClient, messages: Iterable[Message]) -> None:
    for part in _parts(messages):
        client.publish(part)


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while part := list(islice(remaining, _BATCH)):
        yield part


def _json(message: Mapping[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _config(settings: Settings) -> object | None:
    url = settings.mqtt_url and settings.mqtt_url.get_secret_value()
    return (url, settings.mqtt_topic, settings.mqtt_discovery) if url else None


MQTT: Final = Kind("mqtt", _config, MqttReceiver)
