"""Let pytest show the values of the suite's failed assertions. Imported before the other modules of the suite."""

from __future__ import annotations

import sys

_MODULES = ("assertions", "reading", "metadata", "current", "lookups", "past", "odd_members", "fuzz")

if "pytest" in sys.modules:
    sys.modules["pytest"].register_assert_rewrite(*(f"{__package__}.{module}" for module in _MODULES))
