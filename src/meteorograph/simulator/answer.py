"""The answer to a request, and how a fault changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from .dispatch import error
from .rules import Rule

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
_PAGE = b"<html>\r\n<head><title>%d</title></head>\r\n<body><center><h1>%d</h1></center><hr>openresty</body>\r\n</html>\r\n"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, and how it is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    #: Delay before the answer [s].
    delay: float = 0.0
    #: Time to send the body byte by byte [s]; 0 to send it at once.
    spread: float = 0.0
    #: "silence" sends nothing until one side closes the connection, "reset" resets the connection.
    fate: Literal["sent", "silence", "reset"] = "sent"


def as_json(status: int, body: Any) -> Answer:
    """An answer without a fault; bytes are sent as text."""
    if isinstance(body, bytes):
        return Answer(status=status, body=body, content_type=TEXT)
    return Answer(status=status, body=msgspec.json.encode(body))


def apply_fault(rule: Rule, provider: str, reply: Callable[[], tuple[int, Any]]) -> Answer:
    """The answer with the fault of a rule; ``reply`` makes the correct status and body, if the fault needs them."""
    match rule.kind:
        case "timeout":
            return Answer(fate="silence")
        case "reset":
            return Answer(fate="reset")
        case "status":
            answer = as_json(*error(provider, rule.code))
            headers = () if rule.retry_after is None else (("Retry-After", str(rule.retry_after)),)
            return msgspec.structs.replace(answer, headers=headers)
        case "html":
            return Answer(status=rule.code, body=_PAGE % (rule.code, rule.code), content_type=HTML)
        case "empty":
            return Answer()
        case _:
            return _damage(rule, *reply())


def _damage(rule: Rule, status: int, body: Any) -> Answer:
    """A correct answer with a damaged body."""
    match rule.kind:
        case "types":
            return as_json(status, _Mistyped().value(body))
        case "text":
            return as_json(status, _as_text(body))
        case "null":
            return as_json(status, _nulled(body))
    answer = as_json(status, body)
    text = answer.body
    match rule.kind:
        case "truncated":
            text = text[: len(text) // 2]
        case "broken_off":
            text = text[: len(text) // 2] + b"Unexpected error while streaming data: timeoutReached"
        case "huge":
            padding = b" " * max(0, int(rule.mb * 1_000_000) - len(text))
            text = text[:-1] + padding + text[-1:]
        case "encoding":
            text = text.decode().encode("utf-16")
    return msgspec.structs.replace(answer, body=text, spread=rule.ms / 1000 if rule.kind == "slow" else 0.0)


def _nulled(value: Any) -> Any:
    """The value with null for all rain (OpenWeatherMap) or precipitation (the others); units are not changed."""
    if isinstance(value, list):
        return [_nulled(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {name: _null(item) if name in ("precip", "precipitation") else _nulled(item) for name, item in value.items()}
    return fields | {"rain": None} if "dt" in fields else fields


def _null(amount: Any) -> Any:
    if isinstance(amount, list):
        return [None] * len(amount)
    return amount if isinstance(amount, str) else None


def _as_text(value: Any) -> Any:
    """``value`` with every number as a text."""
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class _Mistyped:
    """Replaces every number, by turns with a text that is no number and with an object."""

    def __init__(self) -> None:
        self._numbers = 0

    def value(self, value: Any) -> Any:
        """``value`` with every number replaced."""
        if isinstance(value, dict):
            return {name: self.value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        self._numbers += 1
        return f"about {value}" if self._numbers % 2 else {"value": value}
