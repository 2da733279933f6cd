"""``meteorograph plan`` and ``meteorograph check-keys``: the calls that the configuration needs, and whether the keys work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from ..model.words import counted
from .options import json_option
from .output import Column, print_json, print_table
from .sessions import open_session

if TYPE_CHECKING:
    from ..accounts.call_plan import CallPlan, ProviderPlan
    from ..collecting.key_check import KeyReport

_PLAN_COLUMNS: Final = (
    Column(),
    Column("calls"),
    *(Column(title, is_number=True) for title in ("needed", "allowed", "quota")),
    Column(is_state=True),
)


@click.command("plan")
@json_option
def plan(as_json: bool) -> None:
    """Compare the calls that the configuration needs with the quotas; exit 1 if a quota is not enough."""
    from ..accounts import plan_inputs
    from ..accounts.call_plan import make_plan
    from ..accounts.plan_proposals import proposals
    from ..config.loading import load_settings
    from ..model import clock

    settings = load_settings()
    with open_session(read_only=True) as session:
        groups = plan_inputs.schedule_groups(session, settings)
    now = clock.now()
    call_plan = make_plan(groups, settings, now)
    changes = proposals(call_plan, settings, now)
    if as_json:
        print_json({**_plan_fields(call_plan), "proposals": changes})
    else:
        _print_plan(call_plan, changes)
    if not call_plan.holds:
        raise SystemExit(1)


@click.command("check-keys")
@json_option
def check_keys(as_json: bool) -> None:
    """Make one call with each configured key and show its state.

    Exit 0 if all keys are active, 1 if a key is not or cannot be tried, 2 if there is no key.
    """
    from ..collecting.key_check import check_keys as check
    from ..config.loading import load_settings
    from ..errors import ConfigurationError
    from ..logs import setup_logging
    from ..providers.registry import PROVIDERS
    from ..storage.engine import init_db

    settings = load_settings()
    if not any(settings.key(name) for name in PROVIDERS):
        names = " or ".join(filter(None, (provider.key_setting for provider in PROVIDERS.values())))
        raise ConfigurationError(f"no key is configured: set {names} in the environment or in .env")
    # The report has the errors. The log repeats them only if LOG_LEVEL is set.
    has_level = "log_level" in settings.model_fields_set
    setup_logging(settings if has_level else settings.model_copy(update={"log_level": "CRITICAL"}))
    init_db()
    reports = check(settings)
    if as_json:
        print_json([_report_fields(report) for report in reports])
    else:
        _print_reports(reports)
    if not all(report.is_good for report in reports):
        raise SystemExit(1)


def _print_plan(call_plan: CallPlan, changes: Sequence[str]) -> None:
    from ..accounts.call_plan import interval_text
    from ..model.schedule import Interval

    for group in call_plan.groups:
        schedule = f"every {interval_text(group.schedule.length)}" if isinstance(group.schedule, Interval) else group.name
        click.echo(f"{counted(group.locations, 'location')}, {schedule}")
    click.echo()
    rows = [row for provider in call_plan.providers if provider.role != "fallback" for row in _plan_rows(provider)]
    print_table(_PLAN_COLUMNS, rows)
    click.echo()
    if changes:
        click.echo("Each of these would be enough:")
        for change in changes:
            click.echo(f"- {change}")
        click.echo()
    for provider in call_plan.providers:
        click.echo(provider.sentence)


def _plan_rows(provider: ProviderPlan) -> list[tuple[str, ...]]:
    always = ("minute", "day", "month") if provider.role == "observation" else ()
    needs = [need for need in provider.needs if need.limit is not None or need.window in always]
    return [
        (
            "" if number else provider.title,
            f"a {need.window}" if need.window != "hour" else "an hour",
            f"{need.calls:,}",
            "-" if need.usable is None else f"{need.usable:,}",
            "-" if need.limit is None else f"{need.limit:,}",
            "" if need.limit is None or provider.role == "precipitation" else "enough" if need.holds else "NOT ENOUGH",
        )
        for number, need in enumerate(needs)
    ]


def _plan_fields(call_plan: CallPlan) -> dict[str, Any]:
    return {
        "holds": call_plan.holds,
        "schedules": [{"schedule": group.name, "locations": group.locations} for group in call_plan.groups],
        "providers": [_provider_fields(provider) for provider in call_plan.providers],
    }


def _provider_fields(provider: ProviderPlan) -> dict[str, Any]:
    is_main = provider.role == "observation"
    return {
        "provider": provider.provider,
        "role": provider.role,
        "holds": provider.holds,
        "windows": [
            {"window": need.window, "calls": need.calls, "usable": need.usable, "limit": need.limit, "holds": need.holds}
            for need in provider.needs
        ],
        "most_locations": provider.most_locations if is_main else None,
        "shortest_interval_seconds": int(provider.shortest.total_seconds()) if provider.shortest and is_main else None,
        "slot_minutes": provider.slot_minutes,
        "share": None if provider.share is None else round(float(provider.share), 4),
        "sentence": provider.sentence,
    }


def _print_reports(reports: Sequence[KeyReport]) -> None:
    from ..collecting.key_check import KEY_STATE_TEXTS

    rows = []
    for report in reports:
        rows.append((report.title, KEY_STATE_TEXTS[report.state]))
        until = f"closed until {report.closed_until:%Y-%m-%d %H:%M:%S} UTC" if report.closed_until else None
        rows.extend(("", line) for line in (report.said, until, report.advice) if line)
    print_table((Column(), Column(is_state=True, wraps=True)), rows)


def _report_fields(report: KeyReport) -> dict[str, Any]:
    return {
        "provider": report.provider,
        "key_state": report.state,
        "called": report.called,
        "reached": report.reached,
        "closed_until": report.closed_until and report.closed_until.isoformat(),
        "said": report.said,
        "advice": report.advice,
    }
