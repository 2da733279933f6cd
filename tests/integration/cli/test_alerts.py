"""``meteorograph alerts``, as an operator uses it, to its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from meteorograph.alerts.service import evaluate_rules
from meteorograph.cli.main import cli
from meteorograph.config.loading import get_settings
from pages import add
from receivers import HttpReceiver, http_receiver
from support import NOON

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.usefixtures("database", "driven")]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpReceiver]:
    with http_receiver() as running:
        monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", f"phone=json://127.0.0.1:{running.port}/secret-secret-secret")
        yield running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["alerts", *arguments])


def test_a_rule_from_its_birth_to_its_end(receiver: HttpReceiver) -> None:
    add("Oslo", {"temperature": -5.0, "observed_at": NOON})
    assert run("add", "cold", "--kind", "frost", "--limit", "-2", "--location", "Oslo").output == "added cold\n"
    evaluate_rules(get_settings(), NOON)
    rows = run("list").output.splitlines()
    assert rows[1].split("  ")[0] == "cold"
    assert "firing" in rows[1]
    assert "temperature of -2 °C or less" in rows[1]
    assert rows[2] == "channel phone: nothing sent yet, 1 waiting"
    history = run("history").output
    assert "goes on" in history
    assert "phone waiting" in history
    [incident] = json.loads(run("history", "--open", "--json").output)
    assert (incident["rule"], incident["subjects"]) == ("cold", ["Oslo"])
    assert run("silence", "cold", "--until", "2h").output == "cold is silent until 2026-03-01 14:00 UTC\n"
    assert run("silence", "cold", "--off").output == "cold sends messages\n"
    assert run("remove", "cold").output == "removed cold\n"
    assert json.loads(run("list", "--json").output)["rules"] == []
    assert "secret-secret" not in history + "".join(rows)


def test_the_rules_that_watch_the_service_are_added_once(receiver: HttpReceiver) -> None:
    added = run("add", "--operations").output.splitlines()
    assert added[:3] == ["added no_data", "added gap", "added old_observations"]
    assert len(added) == 9
    assert run("add", "--operations").output == "nothing to add: there is a rule of each kind\n"


def test_the_test_says_which_channel_does_not_accept(receiver: HttpReceiver) -> None:
    assert run("test").output == "phone: accepted\n"
    receiver.status = 500
    failed = run("test", "phone")
    assert failed.exit_code == 1
    assert failed.stderr.startswith("meteorograph: phone: failure: ")
    assert failed.stderr.count("\n") == 1
    assert "secret-secret" not in failed.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add",), "give NAME and --kind, or --operations"),
        (("add", "x", "--kind", "wind"), "limit is missing: must be a number from 0.1 to 150 [m/s]"),
        (("add", "x", "--kind", "frost", "--clear-limit", "nan"), "clear_limit=nan: must be a number from -90 to 60 [°C]"),
        (("add", "x", "--kind", "frost", "--quiet", "night"), "quiet='night': must be two times of day such as 22:00-07:00"),
        (("add", "x", "--kind", "frost", "--channel", "fax"), "channels='fax': must be the name of a channel"),
        (("silence", "nobody"), "no rule has this name"),
        (("silence", "nobody", "--until", "yesterday"), "must be an ISO 8601 time"),
        (("test", "fax"), "channel 'fax': must be one of phone"),
    ],
)
def test_wrong_usage_is_one_line(receiver: HttpReceiver, arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code != 0
    assert words in (result.stderr + str(result.exception))


def test_without_a_channel_it_says_that_nobody_is_told() -> None:
    assert "METEOROGRAPH_ALERT_CHANNELS" in run("add", "cold", "--kind", "frost").stderr
    assert "no channel is set" in run("test").stderr
