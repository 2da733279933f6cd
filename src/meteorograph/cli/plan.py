"""``meteorograph plan`` and ``meteorograph check-keys``: what the configuration asks of the providers, and whether it may."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..accounts.call_plan import CallPlan, ProviderPlan
    from ..collecting.key_check import KeyReport

_JSON = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


@click.command("plan")
@_JSON
def plan(as_json: bool) -> None:
    """Show the calls that the configuration makes against the quotas; exit 1 if they do not suffice."""
    from ..accounts import plan_inputs
    from ..accounts.call_plan import make_plan
    from ..config.loading import load_settings
    from ..model import clock
    from ..storage.engine import get_db_session, init_db

    settings = load_settings()
    init_db()
    with get_db_session(read_only=True) as session:
        groups = plan_inputs.schedule_groups(session, settings)
    made = make_plan(groups, settings, clock.now())
    click.echo(json.dumps(_told(made), ensure_ascii=False, indent=1) if as_json else "\n".join(_page(made)))
    if not made.holds:
        raise SystemExit(1)


@click.command("check-keys")
@_JSON
def check_keys(as_json: bool) -> None:
    """Call each provider that has a key once and show what the key may use.

    Exit 0 if all are active, 1 if one is not or cannot be tried, 2 if there is none.
    """
    from ..collecting.key_check import check_keys as check
    from ..config.loading import load_settings
    from ..errors import ConfigurationError
    from ..logs import setup_logging
    from ..providers.registry import PROVIDERS
    from ..storage.engine import init_db

    settings = load_settings()
    if not any(settings.key(name) for name in PROVIDERS):
        wanted = " or ".join(filter(None, (provider.key_setting for provider in PROVIDERS.values())))
        raise ConfigurationError(f"no key is configured: set {wanted} in the environment or in .env")
    # What goes wrong is in the report; the log says it again only to those who ask for it.
    asked = "log_level" in settings.model_fields_set
    setup_logging(settings if asked else settings.model_copy(update={"log_level": "CRITICAL"}))
    init_db()
    reports = check(settings)
    click.echo(json.dumps([_fields(one) for one in reports], indent=1) if as_json else "\n".join(_lines(reports)))
    if not all(one.is_good for one in reports):
        raise SystemExit(1)


def _page(made: CallPlan) -> list[str]:
    from ..accounts.call_plan import interval_text
    from ..model.schedule import Interval

    lines = [
        f"{group.locations:,} location{'' if group.locations == 1 else 's'}, "
        + (f"every {interval_text(group.schedule.length)}" if isinstance(group.schedule, Interval) else group.name)
        for group in made.groups
    ]
    lines.append("")
    rows: list[tuple[str, ...]] = [("", "calls", "needed", "allowed", "quota", "")]
    rows.extend(row for provider in made.providers if provider.role != "fallback" for row in _rows(provider))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        cells = [
            f"{cell:<{width}}" if column < 2 or column == 5 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return [*lines, "", *(provider.sentence for provider in made.providers)]


def _rows(provider: ProviderPlan) -> list[tuple[str, ...]]:
    told = ("minute", "day", "month") if provider.role == "observation" else ()
    shown = [need for need in provider.needs if need.limit is not None or need.window in told]
    return [
        (
            "" if number else provider.title,
            f"a {need.window}" if need.window != "hour" else "an hour",
            f"{need.calls:,}",
            "-" if need.usable is None else f"{need.usable:,}",
            "-" if need.limit is None else f"{need.limit:,}",
            "" if need.limit is None or provider.role == "precipitation" else "holds" if need.holds else "DOES NOT HOLD",
        )
        for number, need in enumerate(shown)
    ]


def _told(made: CallPlan) -> dict[str, Any]:
    return {
        "holds": made.holds,
        "schedules": [{"schedule": group.name, "locations": group.locations} for group in made.groups],
        "providers": [
            {
                "provider": one.provider,
                "role": one.role,
                "holds": one.holds,
                "windows": [
                    {"window": need.window, "calls": need.calls, "usable": need.usable, "limit": need.limit, "holds": need.holds}
                    for need in one.needs
                ],
                "most_locations": one.most_locations if one.role == "observation" else None,
                "shortest_interval_seconds": int(one.shortest.total_seconds())
                if one.shortest and one.role == "observation"
                else None,
                "slot_minutes": one.slot_minutes,
                "share": None if one.share is None else round(float(one.share), 4),
                "sentence": one.sentence,
            }
            for one in made.providers
        ],
    }


def _lines(reports: Sequence[KeyReport]) -> list[str]:
    from ..collecting.key_check import KEY_STATE_TEXTS

    width = max(len(one.title) for one in reports)
    lines = []
    for one in reports:
        lines.append(f"{one.title:<{width}}  {KEY_STATE_TEXTS[one.state]}")
        until = f"closed until {one.closed_until:%Y-%m-%d %H:%M:%S} UTC" if one.closed_until else None
        lines.extend(f"{'':<{width}}  {line}" for line in (one.said, until, one.advice) if line)
    return lines


def _fields(one: KeyReport) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "key_state": one.state,
        "called": one.called,
        "reached": one.reached,
        "closed_until": one.closed_until and one.closed_until.isoformat(),
        "said": one.said,
        "advice": one.advice,
    }
