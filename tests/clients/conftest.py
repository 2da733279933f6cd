"""What the tests with programs of others share: real processes, as in the acceptance tests."""

from __future__ import annotations

from acceptance.conftest import _ample_quotas, _end_logging, empty_database, start

__all__ = ["_ample_quotas", "_end_logging", "empty_database", "start"]
