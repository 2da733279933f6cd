"""Instants as a table in a statement: one parameter, however many there are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, TIMESTAMP, cast, column, func
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import TableValuedAlias

from .models import Run


def instants(session: Session, values: Sequence[datetime]) -> TableValuedAlias:
    """A table with the column ``value``, one row for each instant."""
    value = column("value", Run.due_at.type)
    if session.get_bind().dialect.name == "postgresql":
        return (
            func.unnest(cast(list(values), ARRAY(TIMESTAMP(timezone=True)))).table_valued(value, name="instants").render_derived()
        )
    return func.json_each(json.dumps([one.timestamp() for one in values])).table_valued(value, name="instants")
