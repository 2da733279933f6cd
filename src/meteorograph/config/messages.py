"""What is wrong with a setting, in one line: its name, the value and what is allowed."""

from __future__ import annotations

import re
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ..redaction import MARK, redact

#: Longer values are cut where they are shown.
_LONGEST: Final = 100

_KINDS: Final[dict[object, str]] = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def error_line(name: str, field: FieldInfo, error: ErrorDetails, *, secret: bool) -> str:
    """The line for one thing that pydantic found wrong with a setting; of a secret it shows only a database's address."""
    own = error.get("ctx", {}).get("error")
    allowed = str(own) if error["type"] == "value_error" and own else _allowed(field)
    value = "" if secret and name != "DATABASE_URL" else f"={_shown(str(error['input']))}"
    return f"{name}{value}: must be {allowed}"


def _shown(value: str) -> str:
    """The value on one line. A password may hold any character, so all between the first ``:`` and the last ``@`` goes."""
    line = redact(re.sub(r"(://[^:/@]*):.*@", rf"\1:{MARK}@", " ".join(value.split()), count=1))
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _allowed(field: FieldInfo) -> str:
    """What a field takes, from its type and its limits."""
    words = [arg for arg in get_args(field.annotation) if isinstance(arg, str)]
    if words:
        return f"{', '.join(words[:-1])} or {words[-1]}"
    limits: dict[str, Any] = {
        name: getattr(item, name)
        for item in field.metadata
        for name in ("ge", "gt", "le", "min_length", "max_length")
        if hasattr(item, name)
    }
    kind = _KINDS.get(field.annotation, "a text")
    match limits:
        case {"ge": low, "le": high}:
            return f"{kind} from {low} to {high}"
        case {"gt": low, "le": high}:
            return f"{kind} above {low} and at most {high}"
        case {"ge": low}:
            return f"{kind} of at least {low}"
        case {"min_length": low, "max_length": high}:
            return f"{kind} of {low} to {high} characters"
    return kind
