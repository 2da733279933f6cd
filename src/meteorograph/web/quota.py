"""``/api/quota``: what is spent of each provider's account, and whether it may be called."""

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
    """The account with each provider of the settings: its key's state, whether it is closed, and its windows."""
    with get_db_session(read_only=True) as session:
        return {"data": accounts_told(session, get_settings()), "request_id": g.request_id}


def accounts_told(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """What is known of each provider of the settings, the first one first."""
    return [_account_view(session, settings.account(name), settings.key(name)) for name in settings.named_providers]


def _account_view(session: Session, account: Account, key: str | None) -> dict[str, Any]:
    now = clock.now()
    known = account_state.account_status(session, account.name, key, now)
    return {
        "provider": account.name,
        "key_state": known.key_state,
        "closed_until": known.closed_until and known.closed_until.isoformat(),
        "reason": known.reason,
        "windows": [
            {
                "window": one.window,
                "limit": one.limit,
                "used": one.used,
                "reserved": quota.reserve_of(one.limit),
                "resets_at": one.resets_at.isoformat(),
            }
            for one in quota.usage(session, account, now)
        ],
    }
