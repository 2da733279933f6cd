"""The error message for an invalid setting: one line with its name, the value and what is allowed."""

from __future__ import annotations

import re
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ..redaction import MARK, redact

#: Messages truncate longer values [characters].
_MAX_SHOWN: Final = 100

_TYPE_TEXTS: Final[dict[object, str]] = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def error_line(name: str, field: FieldInfo, error: ErrorDetails, *, secret: bool) -> str:
    """The line for a validation error of pydantic. It never shows a secret; of a database URL it hides the password."""
    raised = error.get("ctx", {}).get("error")
    allowed = str(raised) if error["type"] == "value_error" and raised else _allowed(field)
    shown = _without_password(str(error["input"])) if name == "DATABASE_URL" else str(error["input"])
    value = "" if secret and name != "DATABASE_URL" else f"={_shown(shown)}"
    return f"{name}{value}: must be {allowed}"


def _without_password(url: str) -> str:
    """A malformed URL without what may belong to its password: all up to the last ``@``; or a text in the place of the port."""
    before, at, host = url.rpartition("@")
    if not at:
        return re.sub(r"(\w://[^:/]*):(?!\d{1,5}(?:[/?]|$)).*", rf"\1:{MARK}", url, count=1, flags=re.DOTALL)
    parts = re.fullmatch(r"(\w[\w+]*://[^:/@]*)(.*)", before, re.DOTALL)
    user, password = parts.groups() if parts else ("", before)
    return f"{user}{f':{MARK}' if password else ''}@{host}"


def _shown(value: str) -> str:
    """The value on one line, without secrets. An address may have a password too."""
    line = redact(re.sub(r"(://[^:/@]*):.*@", rf"\1:{MARK}@", " ".join(value.split()), count=1))
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}…"


def _allowed(field: FieldInfo) -> str:
    """What a field allows, from its type and its limits."""
    choices = [arg for arg in get_args(field.annotation) if isinstance(arg, str)]
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    limits: dict[str, Any] = {
        name: getattr(item, name)
        for item in field.metadata
        for name in ("ge", "gt", "le", "min_length", "max_length")
        if hasattr(item, name)
    }
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)] or [field.annotation]  # of "int | None"
    kind = _TYPE_TEXTS.get(kinds[0], "a text")
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
