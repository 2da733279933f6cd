"""Keep secrets out of logs and tracebacks.

Redaction happens when a log record is created, before any logger, filter, handler or formatter sees the record, so none of them
can bypass it: the message with its arguments, the fields, the traceback with its chain, and the stack are plain, redacted text.
The formatters of ``log_output.py`` redact the finished line again, because a filter, a context variable or a foreign record may
have added a secret.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final

MARK: Final = "[redacted]"

#: Shorter secrets are only redacted in query strings and named fields, because hiding them everywhere would hide ordinary words.
MIN_LENGTH: Final = 6

#: Secrets of at least this length are redacted in other spellings that a provider may answer with.
_MIN_LENGTH_OF_FORMS: Final = 16

_NAMES: Final = r"appid|access[-_]?key|api[-_]?key|tokens?|passw(?:or)?d|secret"
_NAMED: Final = re.compile(rf"(?i)(?:\w{{1,30}}[-_])??(?:{_NAMES}|authorization)")

#: Texts that look like a secret: words, a pattern, and its replacement. A pattern is only tried if one of its words occurs in the
#: text, which is twenty times as fast. Repetitions are bounded, so that no text takes quadratic time.
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

#: Deeper nested structures are redacted as text.
_MAX_DEPTH: Final = 6


class SecretRegistry:
    """The secrets that this process redacts. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        #: Also finds letters and digits that are percent-encoded, which takes longer.
        self._encoded: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        """Redact these texts from now on."""
        with self._lock:
            all_ = self._secrets.union(secret for secret in secrets if len(secret) >= MIN_LENGTH)
            if all_ == self._secrets:
                return
            forms = {form for secret in all_ for form in _case_forms(secret)}
            longest_first = sorted(forms, key=len, reverse=True)
            self._secrets = all_
            in_base64 = [re.escape(form) for secret in sorted(all_, key=len, reverse=True) for form in _base64_forms(secret)]
            self._pattern = re.compile("|".join([*("".join(map(_spellings, secret)) for secret in longest_first), *in_base64]))
            self._encoded = re.compile("|".join("".join(map(_encoded_spellings, secret)) for secret in longest_first))

    def redact(self, text: str) -> str:
        """The text without the secrets."""
        if self._pattern is None or self._encoded is None:
            return text
        text = self._pattern.sub(MARK, text)
        return self._encoded.sub(MARK, text) if "%" in text else text


_SECRETS: Final = SecretRegistry()


def hide(*secrets: str) -> None:
    """Redact these texts from now on, also percent-encoded, in Base64, and quoted as in Python and JSON.

    Long ones also in capital or small letters and as hexadecimal bytes.
    """
    _SECRETS.add(secrets)


def _spellings(char: str) -> str:
    """A pattern for all spellings of a character of a secret."""
    if char.isascii() and char.isalnum():
        return char
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    quoted = {json.dumps(char)[1:-1], ascii(char)[1:-1], repr(char.encode("utf-8", "surrogateescape"))[2:-1], f"\\{char}"}
    plain = [re.escape(form) for form in sorted(quoted - {char})] + [re.escape(char)] + ([r"\+"] if char == " " else [])
    return f"(?:{'|'.join(plain)}|(?i:{percent}))"


def _encoded_spellings(char: str) -> str:
    """A pattern for all spellings of a character, a letter or digit that is percent-encoded among them."""
    if char.isascii() and char.isalnum():
        return f"(?:{char}|(?i:%(?:25)*{ord(char):02x}))"
    return _spellings(char)


def _case_forms(secret: str) -> set[str]:
    """The secret, and a long one in capital and in small letters and as hexadecimal bytes too."""
    if len(secret) < _MIN_LENGTH_OF_FORMS:
        return {secret}
    return {secret, secret.upper(), secret.lower(), secret.encode("utf-8", "surrogateescape").hex()}


def _base64_forms(secret: str) -> set[str]:
    """What Base64 makes of a secret, wherever it begins within the encoded bytes, in both alphabets.

    Only the characters that depend on the secret alone: those at its ends depend on its neighbours too.
    """
    data, forms = secret.encode("utf-8", "surrogateescape"), set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        first = (0, 2, 3)[before]
        last = len(text) if (before + len(data)) % 3 == 0 else len(text) - 1
        form = text[first:last]
        if len(form) >= MIN_LENGTH:
            forms |= {form, form.translate(str.maketrans("+/", "-_"))}
    return forms


def redact(text: str) -> str:
    """The text without known secrets, and without texts that look like a secret."""
    if len(text) < MIN_LENGTH:
        return text
    text = _SECRETS.redact(text)
    lowered = text.lower()
    for words, shape, replacement in _SHAPES:
        if any(word in lowered for word in words):
            text = shape.sub(replacement, text)
    return text


def clean(value: object, depth: int = 0) -> Any:
    """The value with all texts in it redacted. An object is replaced by its redacted text if the text contains a secret."""
    if isinstance(value, str):
        return redact(str.__str__(value))  # plain text: renderers show a member of an enumeration by its ``repr``
    if value is None or isinstance(value, int | float):
        return value
    try:
        if depth < _MAX_DEPTH and isinstance(value, Mapping):
            return {clean(key, depth + 1): _clean_field(key, item, depth + 1) for key, item in value.items()}
        if depth < _MAX_DEPTH and type(value) in (list, tuple, set, frozenset):
            return type(value)(clean(item, depth + 1) for item in value)  # type: ignore[attr-defined, call-arg]
    except Exception:  # a mapping or an item with a defect; its text is enough
        return redact(_show(value) or f"<{type(value).__name__} that cannot be shown>")
    return _text(value)


def _clean_field(name: object, value: object, depth: int = 0) -> Any:
    """The redacted value of a field of this name; a text in a field with the name of a secret is redacted completely."""
    if isinstance(name, str) and isinstance(value, str | bytes) and value and _NAMED.fullmatch(name):
        return MARK
    return clean(value, depth)


def _text(value: object) -> object:
    for text in (_show(value, str), _show(value, repr)):
        if text is None:
            return f"<{type(value).__name__} that cannot be shown>"
        cleaned = redact(text)
        if cleaned != text:
            return cleaned
    return value


def _show(value: object, form: Callable[[object], str] = str) -> str | None:
    try:
        return form(value)
    except Exception:  # a value without a text must not lose the log line
        return None


class _CleanFields(dict[str, Any]):
    """The fields of a log record; ``logging`` adds those of ``extra`` after it has created the record."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, _clean_field(name, value))


def _record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    if isinstance(record.msg, Mapping):
        record.msg = clean(record.msg)
    else:
        try:
            record.msg = redact(record.getMessage())
        except Exception:  # a message with the wrong arguments; logging would print both
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
    head = f"{args.err_msg or 'Exception ignored in'}: {_text(args.object)}\n"
    sys.stderr.write(redact(head + "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback))))


def install() -> None:
    """Redact log records in this process, and uncaught exceptions unless another handler is set for them."""
    logging.setLogRecordFactory(_record)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught_in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable
