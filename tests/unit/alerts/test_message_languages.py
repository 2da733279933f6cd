"""The texts of messages in the language of ``METEOROGRAPH_LANGUAGE``; what webhooks get stays English."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from meteorograph.alerts import messages
from meteorograph.alerts.messages import IncidentFacts
from meteorograph.alerts.options import RuleOptions
from meteorograph.i18n import CODES, Language, get_language
from meteorograph.model.states import AlertKind
from support import NOON

FACTS = IncidentFacts(
    id=7,
    rule="frost / north",
    kind=AlertKind.FROST,
    options=RuleOptions(limit=-1.5, recovery=True, repeat="6h"),
    began_at=NOON - timedelta(hours=6, minutes=5),
    opened_at=NOON,
    cause="",
    detail="-5.0 °C at 2026-03-01 12:00 UTC",
    subjects=["Oslo", "Bergen"],
    subject_count=2,
)


def test_a_message_is_german() -> None:
    message = messages.opened(FACTS, NOON, get_language("de"))
    assert message.title == "Frost / north: 2 Orte"
    assert message.body.split("\n") == [
        "Was: Temperatur von -1,5 °C oder weniger.",
        "Seit: 01.03.2026 05:55 UTC.",
        "Wo: 2 Orte: Oslo, Bergen.",
        "Werte: -5.0 °C at 2026-03-01 12:00 UTC.",
        "Weiter: Die Nachricht wird alle 6h wiederholt, solange es andauert. Eine weitere Nachricht folgt, wenn es vorbei ist.",
        "Regel 'frost / north', Nachricht incident-7-opened",
    ]
    again = messages.repeated(replace(FACTS, messages=1), NOON, get_language("de"))
    assert again.title == "Weiterhin frost / north: 2 Orte"
    assert again.body.startswith("Es dauert jetzt 6 h 5 min an.\nWas: Temperatur")
    over = messages.resolved(FACTS, NOON, get_language("de"))
    assert over.title == "Vorbei: frost / north: 2 Orte"
    assert "Von 01.03.2026 05:55 UTC bis 01.03.2026 12:00 UTC (6 h 5 min)." in over.body


@pytest.mark.parametrize("code", CODES)
def test_a_webhook_gets_the_same_in_every_language(code: str) -> None:
    language: Language = get_language(code)
    assert messages.opened(FACTS, NOON, language).payload == messages.opened(FACTS, NOON).payload
    assert messages.opened(FACTS, NOON, language).id == "incident-7-opened"
    kind = replace(FACTS, kind=AlertKind.KEY_REFUSED, subjects=["nws"], subject_count=1, cause="nws: HTTP 401")
    texts = [
        messages.opened(kind, NOON, language).body,
        messages.resolved(kind, NOON, language, is_dropped=True).body,
        messages.test_message(NOON, language).body,
        messages.digest([("title", "incident-1-opened", NOON)] * 40, NOON, language).body,
    ]
    assert all(len(text) <= messages.MAX_BODY for text in texts)
    if code != "en":
        english = [messages.opened(kind, NOON).body, messages.test_message(NOON, get_language("en")).body]
        said = {line for text in texts for line in text.split("\n") if not line.startswith("Message ")}  # as in French
        assert not said & {line for text in english for line in text.split("\n")}
    assert msgspec.json.decode(messages.test_message(NOON, language).payload)["type"] == "test"


def test_a_digest_counts_in_the_language() -> None:
    one = messages.digest([("frost: Oslo", "incident-1-opened", NOON)] * 3, NOON, get_language("fr"))
    assert one.title == "Meteorograph : 3 messages"
    assert one.body.startswith("01/03/2026 12:00 UTC  frost: Oslo  (incident-1-opened)")
    assert one.body.endswith("Message digest-incident-1-opened-3")
