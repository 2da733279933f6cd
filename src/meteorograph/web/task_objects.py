"""The JSON object of a background task, as the API and the command line give it."""

from __future__ import annotations

import json
from typing import Any

from ..background.descriptions import DESCRIPTIONS
from ..storage.models import BackgroundTask


def task_object(task: BackgroundTask) -> dict[str, Any]:
    """A background task as a JSON object."""
    instants = {name: getattr(task, name) for name in ("created_at", "retry_at", "ended_at")}
    return {
        "id": task.id,
        "kind": task.kind,
        "arguments": json.loads(task.arguments),
        "host": task.host,
        "state": task.state,
        "holder": task.holder,
        "attempts": task.attempts,
        "done": task.done,
        "total": task.total,
        "unit": DESCRIPTIONS[task.kind].unit,
        "counts": json.loads(task.counts),
        "message": task.message,
        **{name: at and at.isoformat() for name, at in instants.items()},
    }
