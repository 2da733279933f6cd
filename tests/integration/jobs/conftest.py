"""These tests also run with PostgreSQL behind a pooler."""

from __future__ import annotations

from databases import database_or_pooled

__all__ = ["database_or_pooled"]
