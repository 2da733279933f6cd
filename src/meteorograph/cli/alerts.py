"""``meteorograph alerts``: rules, what they found, and their messages."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ..model.states import AlertKind
from .groups import Group
from .options import json_option
from .output import Column, age_text, complain, print_json, print_table
from .sessions import open_session

if TYPE_CHECKING:
    from ..alerts.queries import IncidentView, RuleView

_RULES: Final = (
    Column("name", wraps=True),
    Column("state", is_state=True),
    Column("condition", wraps=True),
    Column("where", wraps=True),
    Column("evaluated"),
    Column("note", wraps=True),
)
_INCIDENTS: Final = (
    Column("id", is_number=True),
    Column("began (UTC)"),
    Column("over (UTC)"),
    Column("rule", wraps=True),
    Column("where", wraps=True),
    Column("cause", wraps=True),
    Column("messages", wraps=True),
)


@click.group(cls=Group)
def alerts() -> None:
    """Rules that send messages about gaps, refused keys, frost, rain and the like, and their history."""


@alerts.command()
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice([kind.value for kind in AlertKind]), help="What the rule watches.")
@click.option("--limit", type=float, help="The limit, in the unit of the kind.")
@click.option("--clear-limit", type=float, help="The value to which a place must return before its incident may end.")
@click.option("--hours", type=int, help="Of rain: over how many hours it is summed: 1, 3, 24 or 72.")
@click.option("--location", "locations", multiple=True, help="Only this location; repeatable.")
@click.option("--tag", help="Only the locations with this tag.")
@click.option("--hold", metavar="DURATION", help="How long the condition must hold, such as 10m.")
@click.option("--clear", metavar="DURATION", help="How long the condition must be over.")
@click.option("--quiet", metavar="FROM-TO", help="Times of day without messages, such as 22:00-07:00.")
@click.option("--zone", help="Time zone of --quiet [UTC].")
@click.option("--repeat", metavar="DURATION", help="Tell again after so long while it goes on [never].")
@click.option("--no-recovery", is_flag=True, help="Do not tell that it is over.")
@click.option("--channel", "channels", multiple=True, help="Only to this channel or webhook; repeatable.")
@click.option("--operations", is_flag=True, help="Add a rule with its defaults for each kind that watches the service itself.")
def add(name: str | None, kind: str | None, no_recovery: bool, operations: bool, **fields: Any) -> None:
    """Add the rule NAME, or with --operations all that watch the service itself."""
    from ..alerts.channels import channel_names
    from ..alerts.rules import add_operations, add_rule
    from ..config.loading import get_settings
    from ..model import clock

    known, now = channel_names(get_settings()), clock.now()
    if operations == (name is not None or kind is not None):
        raise click.UsageError("give NAME and --kind, or --operations")
    with open_session() as session:
        if operations:
            added = add_operations(session, known, now)
        elif name is None or kind is None:
            raise click.UsageError("give NAME and --kind, or --operations")
        else:
            given = {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}
            added = [add_rule(session, name, kind, {**given, "recovery": not no_recovery}, known, now)]
    click.echo("\n".join(f"added {rule.name}" for rule in added) or "nothing to add: there is a rule of each kind")
    if not known:
        complain("no channel is set, so no message is sent: set METEOROGRAPH_ALERT_CHANNELS")


@alerts.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the rules and how they stand, and the channels."""
    from ..alerts.channels import channel_names
    from ..alerts.objects import channel_object, rule_object
    from ..alerts.queries import channel_views, rule_views
    from ..config.loading import get_settings
    from ..model import clock

    with open_session(read_only=True) as session:
        views = rule_views(session)
        channels = channel_views(session, channel_names(get_settings()))
    if as_json:
        print_json({"rules": list(map(rule_object, views)), "channels": list(map(channel_object, channels))})
        return
    if views:
        print_table(_RULES, [_rule_row(view, clock.now()) for view in views])
    else:
        click.echo("There are no rules: add those that watch the service with meteorograph alerts add --operations.")
    for channel in channels:
        sent = (
            "nothing sent yet" if channel.last_sent_at is None else f"last message {age_text(channel.last_sent_at, clock.now())}"
        )
        waiting = f", {channel.waiting} waiting" if channel.waiting else ""
        click.echo(f"channel {channel.channel}: {sent}{waiting}{f': {channel.error}' if channel.error else ''}")


def _rule_row(view: RuleView, now: datetime) -> tuple[str, ...]:
    from ..alerts.kinds import condition_text

    rule, options = view.rule, view.rule.options
    state = "failing" if rule.failure else "firing" if view.open_incidents else "silent" if rule.is_silent(now) else "ok"
    where = ", ".join(options.locations) or (f"tag {options.tag}" if options.tag else "all")
    notes = [
        rule.failure or "",
        f"{view.firing} firing" if view.firing else "",
        f"{view.waiting} waiting" if view.waiting else "",
        f"silent until {rule.silenced_until:%Y-%m-%d %H:%M} UTC" if rule.silenced_until and rule.is_silent(now) else "",
    ]
    text = condition_text(rule.kind, options.limit_of(rule.kind), options.hours)
    return rule.name, state, text, where, age_text(rule.evaluated_at, now) or "never", ", ".join(filter(None, notes))


@alerts.command()
@click.argument("channels", nargs=-1)
def test(channels: tuple[str, ...]) -> None:
    """Send a message to each channel, or to these. Exit code 1 unless all have accepted it."""
    from ..alerts.channels import channel_names
    from ..alerts.trial import try_channels
    from ..config.loading import load_settings

    settings = load_settings()
    known = channel_names(settings)
    if not known:
        raise click.UsageError("no channel is set: set METEOROGRAPH_ALERT_CHANNELS, such as phone=ntfys://ntfy.sh/TOPIC")
    if unknown := [name for name in channels if name not in known]:
        raise click.UsageError(f"channel {unknown[0]!r}: must be one of {', '.join(known)}")
    trials = try_channels(settings, channels or known)
    for trial in trials:
        if trial.error is None:
            click.echo(f"{trial.channel}: accepted")
    if failed := [trial for trial in trials if trial.error is not None]:
        complain("; ".join(f"{trial.channel}: {trial.error}" for trial in failed))
        raise SystemExit(1)


@alerts.command()
@click.argument("name")
@click.option("--until", default="1h", show_default=True, metavar="TIME", help="A duration such as 2h, or an ISO 8601 time.")
@click.option("--off", is_flag=True, help="End the silence.")
def silence(name: str, until: str, off: bool) -> None:
    """Let the rule NAME send no messages for a while. Its incidents are recorded; one that goes on is sent afterwards."""
    from ..alerts.rules import parse_silence, silence_rule
    from ..model import clock

    try:
        end = None if off else parse_silence(until, clock.now())
    except ValueError as error:
        raise click.UsageError(f"--until {until}: {error}") from None
    with open_session() as session:
        silence_rule(session, name, end)
    click.echo(f"{name} sends messages" if end is None else f"{name} is silent until {end:%Y-%m-%d %H:%M} UTC")


@alerts.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the rule NAME. Its incidents stay in the history."""
    from ..alerts.rules import remove_rule
    from ..model import clock

    with open_session() as session:
        remove_rule(session, name, clock.now())
    click.echo(f"removed {name}")


@alerts.command()
@click.option("--rule", help="Only those of this rule.")
@click.option("--open", "only_open", is_flag=True, help="Only those that go on.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Most incidents.")
@json_option
def history(rule: str | None, only_open: bool, limit: int, as_json: bool) -> None:
    """Show incidents, newest first, with their messages."""
    from ..alerts.objects import incident_object
    from ..alerts.queries import list_incidents
    from ..model.states import IncidentState

    with open_session(read_only=True) as session:
        views, more = list_incidents(session, limit=limit, state=IncidentState.OPEN if only_open else None, rule=rule)
    if as_json:
        return print_json([incident_object(view) for view in views])
    print_table(_INCIDENTS, [_incident_row(view) for view in views]) if views else click.echo("no incidents")
    if more is not None:
        complain(f"there are more than {limit}; use --limit to see others")


def _incident_row(view: IncidentView) -> tuple[str, ...]:
    one = view.incident
    where = one.subjects[0] if one.subject_count == 1 else f"{one.subjects[0]} and {one.subject_count - 1:,} more"
    over = "goes on" if one.resolved_at is None else f"{one.resolved_at:%Y-%m-%d %H:%M}"
    sent = [f"{delivery.channel} {delivery.state.replace('_', ' ')}" for delivery in view.deliveries]
    return (str(one.id), f"{one.began_at:%Y-%m-%d %H:%M}", over, one.rule, where, one.cause or one.detail, ", ".join(sent))
