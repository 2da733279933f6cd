"""``/api/quota``: quota usage of each provider, and whether it is open."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g
from sqlalchemy.orm import Session

from ..accounts import account_state, quota
from ..config.loading import get_settings
from ..config.settings import Settings
from ..model import clock
from ..model.account import Account
from ..storage.engine import get_db_session

blueprint = Blueprint("quota", __name__)


@blueprint.get("/api/quota")
def quotas() -> dict[str, Any]:
    """Key state, closing time and quota windows of each configured provider."""
    with get_db_session(read_only=True) as session:
        return {"data": account_views(session, get_settings()), "request_id": g.request_id}


def account_views(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """The account of each configured provider, in the order of the settings."""
    return [_account_view(session, settings.account(name), settings.key(name)) for name in settings.named_providers]


def _account_view(session: Session, account: Account, key: str | None) -> dict[str, Any]:
    now = clock.now()
    status = account_state.account_status(session, account.name, key, now)
    return {
        "provider": account.name,
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
            for usage in quota.usage(session, account, now)
        ],
    }
