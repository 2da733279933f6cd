"""``/settings``: keys, backups, and the settings in force with where each comes from. Secrets are not shown."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from flask import Response

from ...accounts import account_state
from ...backups.folder import list_backups, made_at
from ...config.effective import effective_settings
from ...config.loading import get_settings
from ...config.settings import Settings
from ...model import clock
from ...model.states import TokenScope
from ...providers.registry import PROVIDERS
from ...storage.engine import get_db_session
from ..access import needs_scope
from .layout import blueprint, render
from .preferences import refuse_unknown

#: Backups that the page lists.
_MAX_BACKUPS: Final = 10


class KeyRow(NamedTuple):
    """A provider's key."""

    provider: str
    setting: str | None
    state: str
    reason: str | None


@blueprint.get("/settings")
@needs_scope(TokenScope.ADMIN)
def settings() -> Response:
    """The page of settings."""
    refuse_unknown(())
    current = get_settings()
    effective = effective_settings(current)
    return render(
        "settings.html",
        keys=_keys(current),
        backup_dir=current.backup_dir,
        backup_hours=current.backup_hours,
        backups=_backups(current.backup_dir),
        chosen=[one for one in effective if not one.is_default],
        defaults=[one for one in effective if one.is_default],
    )


def _keys(current: Settings) -> list[KeyRow]:
    rows = []
    with get_db_session(read_only=True) as session:
        for name in current.named_providers:
            status = account_state.account_status(session, name, current.key(name), clock.now())
            state = str(status.key_state)
            rows.append(KeyRow(PROVIDERS[name].title, PROVIDERS[name].key_setting, state, status.reason))
    return rows


def _backups(folder: Path | None) -> list[datetime]:
    if folder is None:
        return []
    return [made_at(path).replace(second=0) for path in reversed(list_backups(folder)[-_MAX_BACKUPS:])]
