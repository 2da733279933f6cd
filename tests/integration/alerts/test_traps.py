"""What has hurt users of other tools: doubled and lost messages, restarts, storms, silent failures. Each a test."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from standardwebhooks import Webhook

from meteorograph import get_db_session
from meteorograph.alerts import deliveries, rules, service
from meteorograph.alerts.channels import send
from meteorograph.config.loading import get_settings
from meteorograph.errors import DeliveryError
from meteorograph.locations.repository import change_location, remove_location
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import AlertRule, Delivery, Incident, Location, Missed
from pages import add
from receivers import HttpReceiver, http_receiver, mail_server
from rows import insert_rows
from support import NOON

from .conftest import Step

AddRule = Callable[..., rules.Rule]

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.usefixtures("database")]

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def store(**values: Any) -> None:
    """The newest row of the place 1, of now."""
    now = clock.now()
    row = {"location_id": 1, "due_at": now, "observed_at": now, "fetched_at": now, "provider": "openweathermap", **values}
    insert_rows([row])


def count(model: Any) -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_receiver_that_is_away_for_a_day_gets_everything_in_order(
    receiver: HttpReceiver, step: Step, add_rule: AddRule
) -> None:
    add("Oslo")
    add_rule("frost")
    receiver.status = 503
    for temperature in (-5.0, 5.0, 5.0, -6.0, 6.0, 6.0):
        store(temperature=temperature)
        step()
        step(4 * HOUR)
    tried = len(receiver.posts)
    assert count(Delivery) == 4
    assert tried < 40, "a receiver that is away is asked all the time"
    with get_db_session(read_only=True) as session:
        [failing] = deliveries.failing_channels(session)
    assert (failing.channel, failing.waiting) == ("phone", 4)
    receiver.status = 200
    step(HOUR)
    assert receiver.titles[tried:] == ["Frost: Oslo", "Over: frost: Oslo"] * 2
    assert "Since: 2026-03-01 12:00 UTC." in receiver.posts[tried].json["message"]


def test_a_series_around_the_limit_makes_one_incident(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("wind", limit=15)
    for number in range(24):
        store(wind_speed=15.1 if number % 2 else 14.4)
        step(10 * MINUTE)
    store(wind_speed=99.0, flags={"wind_speed": ["range"]})
    step(10 * MINUTE)
    assert receiver.titles == ["Wind: Oslo"]
    store(wind_speed=3.0)
    step()
    step(HOUR)
    assert receiver.titles == ["Wind: Oslo", "Over: wind: Oslo"]
    store(wind_speed=99.0, flags={"wind_speed": ["range"]})
    step()
    assert count(Incident) == 1, "a suspect value has opened an incident"


def test_no_data_and_a_failed_look_are_neither_fine_nor_firing(
    receiver: HttpReceiver, step: Step, add_rule: AddRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("Oslo")
    add_rule("frost")
    store(temperature=-5.0)
    step()
    step(5 * HOUR)  # the value is too old to say anything

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(service, "find_all", fail)
        step(HOUR)
        with get_db_session(read_only=True) as session:
            assert session.scalars(select(AlertRule.failure)).one() == "unexpected ZeroDivisionError"
    assert receiver.titles == ["Frost: Oslo"]
    store(temperature=8.0)
    step()
    step(HOUR)
    assert receiver.titles == ["Frost: Oslo", "Over: frost: Oslo"]


def test_restarts_do_not_begin_the_waiting_time_anew(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("heat", limit=30, hold="1h")
    for _ in range(6):  # each step is a process of its own: nothing but the rows is kept
        store(temperature=35.0)
        step()
        assert receiver.posts == []
        step(10 * MINUTE)
    store(temperature=35.0)
    step()
    assert receiver.titles == ["Heat: Oslo"]
    assert "Since: 2026-03-01 12:00 UTC." in receiver.posts[0].json["message"]


def test_900_places_with_one_cause_are_one_message(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    long_ago = NOON - 30 * HOUR
    with get_db_session() as session:
        session.add_all(
            Location(name=f"place {number:03}", latitude=1, longitude=2, state="active", created_at=long_ago)
            for number in range(900)
        )
        session.flush()
        reason = {"reason": "provider_error", "detail": "openweathermap: the server answered 503"}
        session.add_all(Missed(location_id=number, due_at=NOON - HOUR, **reason) for number in range(1, 901))
    add_rule("no_data", "no data")
    step()
    step(10 * MINUTE)
    step(HOUR)
    [post] = receiver.posts
    assert post.json["title"] == "No data: 900 locations"
    assert "Cause: provider_error: openweathermap: the server answered 503." in post.json["message"]
    assert "place 000, place 001" in post.json["message"]
    assert "and 880 more" in post.json["message"]
    assert len(post.json["message"]) <= 1500


def test_a_silence_survives_and_ends_by_itself(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("frost")
    with get_db_session() as session:
        rules.silence_rule(session, "frost", NOON + 2 * HOUR)
    store(temperature=-5.0)
    step()
    store(temperature=-5.0)
    step(HOUR)
    assert (count(Incident), receiver.posts) == (1, [])
    store(temperature=-5.0)
    step(HOUR)
    step()
    assert receiver.titles == ["Frost: Oslo"]


def test_quiet_hours_keep_messages_until_their_end(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("frost", quiet="12:30-15:00", zone="Europe/Oslo")  # until 14:00 UTC
    store(temperature=-5.0)
    step()
    step(HOUR)
    assert receiver.posts == []
    step(HOUR)
    assert receiver.titles == ["Frost: Oslo"]


def test_an_incident_that_goes_on_is_told_again_if_so_wished(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("frost", repeat="2h", recovery=False)
    for _ in range(5):
        store(temperature=-5.0)
        step()
        step(HOUR)
    assert receiver.titles == ["Frost: Oslo", "Still frost: Oslo", "Still frost: Oslo"]


def test_the_last_message_of_a_busy_hour_has_all_the_others(
    receiver: HttpReceiver, step: Step, add_rule: AddRule, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_ALERT_MESSAGES_PER_HOUR", "3")
    add("Oslo")
    store(temperature=-5.0)
    for number in range(30):
        add_rule("frost", f"rule {number:02}")
    with clock.driven_by(lambda: driven.advance(timedelta(milliseconds=1))):  # no two messages are sent at one moment
        step()
    assert receiver.titles == ["Rule 00: Oslo", "Rule 01: Oslo", "Meteorograph: 28 messages"]
    text = receiver.posts[2].json["message"]
    assert "Rule 02: Oslo  (incident-3-opened)" in text
    assert "more" in text
    assert len(text) <= 1500
    add_rule("frost", "one more")
    step()
    assert len(receiver.posts) == 3
    step(HOUR + MINUTE)
    assert receiver.titles[3:] == ["One more: Oslo"]


def test_an_incident_without_a_channel_is_told_once_there_is_one(
    step: Step, add_rule: AddRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("Oslo")
    add_rule("frost")
    store(temperature=-5.0)
    step()
    assert (count(Incident), count(Delivery)) == (1, 0)
    with http_receiver() as receiver:
        monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", f"phone=json://127.0.0.1:{receiver.port}/x")
        step(MINUTE)
        assert receiver.titles == ["Frost: Oslo"]


def test_the_pause_that_a_receiver_asks_for_is_kept(
    receiver: HttpReceiver, step: Step, add_rule: AddRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "whsec_" + base64.b64encode(b"a secret of twenty-four bytes").decode()
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", "")
    monkeypatch.setenv("METEOROGRAPH_WEBHOOKS", f"log=http://127.0.0.1:{receiver.port}/hook")
    monkeypatch.setenv("METEOROGRAPH_WEBHOOK_SECRETS", f"log={secret}")
    add("Oslo")
    add_rule("frost")
    store(temperature=-5.0)
    receiver.status, receiver.headers = 429, {"Retry-After": "3600"}
    step()
    receiver.status = 200
    step(59 * MINUTE)
    assert len(receiver.posts) == 1
    step(MINUTE)
    first, second = receiver.posts
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 3600
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert second.json["type"] == "incident.opened"
    expected = Webhook(secret).sign(second.headers["webhook-id"], clock.now(), second.body.decode())
    assert second.headers["webhook-signature"] == expected


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The mailbox of the channel ``mail``, whose password has a character that must be encoded."""
    with mail_server() as (mailbox, port):
        address = f"mail=mailto://127.0.0.1:{port}?from=weather@example.org&to=me@example.org&mode=insecure"
        monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", address)
        yield mailbox


def test_a_mail_arrives_once_the_mailbox_takes_it(mail: Any, step: Step, add_rule: AddRule) -> None:
    add("Oslo <Norway>")
    add_rule("frost")
    store(temperature=-5.0)
    mail.is_full = True
    step()
    assert mail.mails == []
    mail.is_full = False
    step(HOUR)
    [message] = mail.mails
    assert message["Subject"] == "Frost: Oslo <Norway>"
    assert "Where: Oslo <Norway>." in message.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("foo://nobody/knows", "Apprise does not understand the address"),
        ("json://127.0.0.1:1/x", "failure: "),
        ("", "METEOROGRAPH_ALERT_CHANNELS and METEOROGRAPH_WEBHOOKS have no phone"),
    ],
)
def test_a_call_that_reaches_nobody_is_a_failure(monkeypatch: pytest.MonkeyPatch, address: str, reason: str) -> None:
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", f"phone={address}" if address else "")
    with pytest.raises(DeliveryError, match=f"^{reason}"):
        send(get_settings(), "phone", "id", "title", "body", NOON)


def test_a_redirect_is_no_acceptance(receiver: HttpReceiver) -> None:
    with http_receiver() as page:
        receiver.status, receiver.headers = 302, {"Location": f"http://127.0.0.1:{page.port}/login"}
        with pytest.raises(DeliveryError, match="302"):
            send(get_settings(), "phone", "id", "title", "body", NOON)
        assert page.posts == []


def test_a_place_that_is_no_longer_watched_is_not_called_well(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("frost")
    store(temperature=-5.0)
    step()
    with get_db_session() as session:
        session.execute(update(Location).values(state="paused"))
    step()
    assert receiver.titles == ["Frost: Oslo", "No longer watched: frost: Oslo"]


def test_a_message_is_given_up_after_a_week_and_not_before(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("frost")
    store(temperature=-5.0)
    receiver.status = 500
    step()
    step(timedelta(days=6, hours=23))
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Delivery.state)).one() == "waiting"
    step(2 * HOUR)
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Delivery.state)).one() == "given_up"


def test_a_rename_is_no_news_and_a_removal_is(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    for name in ("Oslo", "Rome"):
        add(name)
    add_rule("frost", "all")
    add_rule("frost", "two", locations=["Oslo", "Rome"])
    store(temperature=-5.0)
    step()
    with get_db_session() as session:
        change_location(session, "Oslo", {"name": "Christiania"})
    step(MINUTE)
    assert receiver.titles == ["All: Oslo", "Two: Oslo"]
    store(temperature=5.0)
    step(MINUTE)
    step(HOUR)
    assert receiver.titles[2:] == ["Over: all: Christiania", "Over: two: Christiania"]
    store(temperature=-5.0)
    step(MINUTE)
    with get_db_session() as session:
        remove_location(session, "Christiania", "delete")
    step(MINUTE)
    ends = ["No longer watched: all: Christiania", "No longer watched: two: Christiania"]
    assert receiver.titles[4:] == ["All: Christiania", "Two: Christiania", *ends]
    now = clock.now()
    insert_rows([{"location_id": 2, "due_at": now, "fetched_at": now, "provider": "openweathermap", "temperature": -5.0}])
    step(MINUTE)
    assert receiver.titles[8:] == ["All: Rome", "Two: Rome"]
    with get_db_session(read_only=True) as session:
        assert rules.get_rule(session, "two").failure == "no location is named 'Christiania'"
