"""Keeps secrets out of everything that is written for people.

Redaction sits where a log record is made, ahead of every logger, filter, handler and formatter, so none of them can go
round it: the message with its arguments, the fields, the traceback with its chain and the stack are all plain, cleaned text
by the time anything sees the record. The formatters of ``logs.py`` look once more at the finished line, for what a filter,
a context variable or a record made elsewhere has added.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final

MARK: Final = "[redacted]"

#: Shorter secrets would hide ordinary words wherever they occur; those are still hidden in a query string.
SHORTEST: Final = 6

_NAMES: Final = r"appid|access[-_]?key|api[-_]?key|tokens?|passw(?:or)?d|secret"
_NAMED: Final = re.compile(rf"(?i)(?:\w{{1,30}}[-_])??(?:{_NAMES}|authorization)")

#: What nobody has told us, but looks like a secret: a pattern, looked for only where one of the words before it occurs, since
#: that is twenty times as quick. No part of a pattern can run on without limit from many places, however long a line is.
_SHAPES: Final = (
    (
        ("appid", "key", "token", "passw", "secret"),
        re.compile(rf"(?i)({_NAMES})(=\\?[\"']?|%3D|\\?[\"']\s*:\s*b?\\?[\"'])[^&\s\"'<>\\]+"),
        rf"\1\2{MARK}",
    ),
    (("authorization",), re.compile(r"(?i)(authorization\W{1,6}(?:bearer|basic)\s+)[\w.~+/=-]{6,}"), rf"\1{MARK}"),
    (("bearer", "basic"), re.compile(r"(?i)\b((?:bearer|basic)\s+)(?=\S*\d|\S{20})[\w.~+/=-]{6,}"), rf"\1{MARK}"),
    (
        ("@",),
        re.compile(r"(://[^\s:/@\"'<>]{0,99}):(?!\d{1,5}[/?#])[^\s@\"'<>]{1,256}@(?:[^\s@/\"'<>]{0,256}@){0,9}"),
        rf"\1:{MARK}@",
    ),
)

#: Structures nested deeper are shown as text.
_DEEPEST: Final = 6

_lock = threading.Lock()
_secrets: frozenset[str] = frozenset()
_known: re.Pattern[str] | None = None


def hide(*secrets: str) -> None:
    """Redact these texts from now on, also percent-encoded and as Python and JSON write them between quotes."""
    global _secrets, _known
    with _lock:
        known = _secrets.union(secret for secret in secrets if len(secret) >= SHORTEST)
        if known == _secrets:
            return
        _secrets = known
        _known = re.compile("|".join("".join(map(_spellings, secret)) for secret in sorted(known, key=len, reverse=True)))


def _spellings(char: str) -> str:
    """A pattern for all ways in which a character of a secret may be written."""
    if char.isascii() and char.isalnum():
        return char
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    quoted = {json.dumps(char)[1:-1], ascii(char)[1:-1], repr(char.encode("utf-8", "surrogateescape"))[2:-1], f"\\{char}"}
    plain = [re.escape(form) for form in sorted(quoted - {char})] + [re.escape(char)] + ([r"\+"] if char == " " else [])
    return f"(?:{'|'.join(plain)}|(?i:{percent}))"


def redact(text: str) -> str:
    """The text without any known secret, and without what has the shape of one."""
    if len(text) < SHORTEST:
        return text
    if _known is not None:
        text = _known.sub(MARK, text)
    lowered = text.lower()
    for words, shape, replacement in _SHAPES:
        if any(word in lowered for word in words):
            text = shape.sub(replacement, text)
    return text


def clean(value: object, depth: int = 0) -> Any:
    """The value with every text in it redacted; an object whose text holds a secret becomes that text, redacted."""
    if isinstance(value, str):
        return redact(str.__str__(value))  # plain text: renderers show a member of an enumeration by its ``repr``
    if value is None or isinstance(value, int | float):
        return value
    try:
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {clean(key, depth + 1): _clean_field(key, item, depth + 1) for key, item in value.items()}
        if depth < _DEEPEST and type(value) in (list, tuple, set, frozenset):
            return type(value)(clean(item, depth + 1) for item in value)  # type: ignore[attr-defined, call-arg]
    except Exception:  # a mapping or a member that does not behave; its text will do
        return redact(_show(value) or f"<{type(value).__name__} that cannot be shown>")
    return _text(value)


def _clean_field(name: object, value: object, depth: int = 0) -> Any:
    """The cleaned value of a field or key of this name; a text under the name of a secret goes whole."""
    if isinstance(name, str) and isinstance(value, str | bytes) and value and _NAMED.fullmatch(name):
        return MARK
    return clean(value, depth)


def _text(value: object) -> object:
    for shown in (_show(value, str), _show(value, repr)):
        if shown is None:
            return f"<{type(value).__name__} that cannot be shown>"
        cleaned = redact(shown)
        if cleaned != shown:
            return cleaned
    return value


def _show(value: object, form: Callable[[object], str] = str) -> str | None:
    try:
        return form(value)
    except Exception:  # what cannot be shown must not lose the line
        return None


class _CleanFields(dict[str, Any]):
    """The fields of a log record; ``extra`` is put in here after the record was made."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, _clean_field(name, value))


def _record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    if isinstance(record.msg, Mapping):
        record.msg = clean(record.msg)
    else:
        try:
            record.msg = redact(record.getMessage())
        except Exception:  # a message that does not fit its arguments; logging would print both
            args = record.args if isinstance(record.args, tuple) else (record.args,)
            record.msg = " ".join(str(_text(part)) for part in (record.msg, *args))
    record.args = ()
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = redact("".join(traceback.format_exception(*record.exc_info))).rstrip("\n")
    record.exc_info = None
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
    record.__dict__ = _CleanFields(record.__dict__)
    return record


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.exit(130)
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else "unknown"
        sys.stderr.write(redact(f"Exception in thread {name}:\n"))
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    told = f"{args.err_msg or 'Exception ignored in'}: {_text(args.object)}\n"
    sys.stderr.write(redact(told + "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback))))


def install() -> None:
    """Put redaction in force in this process: log records, and tracebacks nobody caught where nobody else shows them."""
    logging.setLogRecordFactory(_record)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught_in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable
