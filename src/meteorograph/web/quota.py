"""``/api/quota``: quota usage of each provider, and whether it is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, g
from sqlalchemy.orm import Session

from ..accounts import account_state, quota
from ..config.loading import get_settings
from ..config.settings import Settings
from ..model import clock
from ..storage.engine import get_db_session

blueprint = Blueprint("quota", __name__)


@blueprint.get("/api/quota")
def quotas() -> dict[str, Any]:
    """Key state, closing time and quota windows of each configured provider."""
    with get_db_session(read_only=True) as session:
        views = account_views(session, get_settings())
    return {"data": [account_object(view) for view in views], "request_id": g.request_id}


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account of a provider: its state and the usage of its quota windows."""

    provider: str
    status: account_state.AccountStatus
    usages: list[quota.Usage]


def account_views(session: Session, settings: Settings) -> list[AccountView]:
    """The account of each configured provider, in the order of the settings."""
    now = clock.now()
    return [
        AccountView(
            name,
            account_state.account_status(session, name, settings.key(name), now),
            quota.usage(session, settings.account(name), now),
        )
        for name in settings.named_providers
    ]


def account_object(view: AccountView) -> dict[str, Any]:
    """An account as a JSON object."""
    status = view.status
    return {
        "provider": view.provider,
        "key_state": status.key_state,
        "closed_until": status.closed_until and status.closed_until.isoformat(),
        "reason": status.reason,
        "windows": [
            {
                "window": usage.window,
                "limit": usage.limit,
                "used": usage.used,
                "reserved": quota.reserve_of(usage.limit),
                "resets_at": usage.resets_at.isoformat(),
            }
            for usage in view.usages
        ],
    }
