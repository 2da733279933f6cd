"""Decode bodies in which a member may be odd: only that member is lost, and it is reported. Pure.

A body is first decoded strictly, which is fast. Only if that fails, it is decoded member by member.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from types import UnionType
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import inspect

from ..model.flags import Flag
from ..model.values import Payload
from .base import UNREADABLE, quoted

T = TypeVar("T")

#: Path of a member, such as ``main.temp`` or ``2.current.time`` → what stood there.
Unreadable = Mapping[str, str]

_NONE: Final[Unreadable] = {}

#: The longest description of an odd member.
_LONGEST: Final = 40

#: A text, or a word outside of texts: a number, a literal, or what programs write there against the standard.
_TEXT_OR_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[^\s,:\[\]{}"]+', re.DOTALL)
#: The words that JSON allows: RFC 8259, chapters 3 and 6.
_WORD: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NAN: Final = re.compile(r"[-+]?(?:nan|inf(?:inity)?)", re.IGNORECASE)

#: Marks a member that its type does not allow.
_ODD: Final = object()


class LenientDecoder(Generic[T]):
    """Decodes bodies of one shape, a ``msgspec.Struct`` or a union. A member of the wrong type costs itself alone.

    - A number given as text is read as a number. NaN and infinity are null.
    - A member of any other wrong type is null, or its default if it cannot be null; its path is reported.
    - In a list, null is passed over, and so is an odd element, unless the list may have null elements: then it is null.
    - A struct without one of its required members is odd itself. So declare only those members as required without which
      all others have no meaning.
    """

    def __init__(self, shape: type[T] | UnionType) -> None:
        self._shape: Any = shape
        self._strict = msgspec.json.Decoder(self._shape)

    @cached_property
    def _type(self) -> inspect.Type:
        return inspect.type_info(self._shape)

    def decode(self, payload: Payload) -> tuple[T, Unreadable]:
        """The value of a body, and its odd members.

        Raises:
            msgspec.MsgspecError, UnicodeDecodeError, RecursionError: No JSON of this shape (``base.UNREADABLE``).
        """
        try:
            return self._strict.decode(payload.body), _NONE
        except UNREADABLE as error:
            try:
                document = _load_json(payload.body)
            except (ValueError, RecursionError):
                raise error from None
            reader = _Reader(payload)
            value = reader.read(document, self._type, ())
            if value is _ODD:
                raise
            return value, reader.unreadable

    def decode_or_none(self, payload: Payload) -> T | None:
        """The value of a body whose odd members do not matter, such as a refusal; None for a body of another shape."""
        try:
            return self.decode(payload)[0]
        except UNREADABLE:
            return None


def read_number(text: str) -> float | None:
    """The number that a text gives, in decimal notation; None for a text that is no number, and for NaN and infinity."""
    stripped = text.strip()
    number = float(stripped) if _NUMBER.fullmatch(stripped) else math.nan
    return number if math.isfinite(number) else None


def is_nan(text: str) -> bool:
    """Whether a text stands for "no number", which is null and not odd."""
    return _NAN.fullmatch(text.strip()) is not None


def flag_unreadable(payload: Payload, what: object) -> str:
    """The flag ``unreadable:<what>`` for a value that stood in the place of another."""
    return f"{Flag.UNREADABLE}:{_describe(payload, what)}"


def flags_of_unreadable(unreadable: Unreadable, fields: Mapping[str, str]) -> dict[str, list[str]]:
    """The flags for odd members.

    Args:
        unreadable: The odd members of a body.
        fields: Path of a member → the quantity that it gives.
    """
    flags: dict[str, list[str]] = {}
    for path, what in unreadable.items():
        for field, quantity in fields.items():
            if f"{field}.".startswith(f"{path}.") or path.startswith(f"{field}."):
                flags.setdefault(quantity, [f"{Flag.UNREADABLE}:{what}"])
    return flags


def add_flags(flags: dict[str, list[str]], more: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The flags of both; ``flags`` is changed."""
    for name, words in more.items():
        flags.setdefault(name, []).extend(words)
    return flags


def unreadable_below(unreadable: Unreadable, prefix: str) -> Unreadable:
    """The odd members below a path, with their paths from there; the path itself has an empty path."""
    if not unreadable:
        return _NONE
    start = f"{prefix}."
    below = {path.removeprefix(start): what for path, what in unreadable.items() if path.startswith(start)}
    return {"": unreadable[prefix], **below} if prefix in unreadable else below


def _load_json(body: bytes) -> object:
    """The JSON value of a body. Invalid UTF-8 costs its characters alone; NaN and numbers out of range are null.

    Any other word that JSON does not allow, such as ``08`` or ``undefined``, becomes a text.
    """
    text = _TEXT_OR_WORD.sub(_make_valid, body.decode("utf-8-sig", "replace"))
    return json.loads(text, parse_int=_parse_number, parse_float=_parse_number, strict=False)


def _make_valid(match: re.Match[str]) -> str:
    word = match[0]
    if word[0] == '"' or _WORD.fullmatch(word):
        return word
    return "null" if is_nan(word) else json.dumps(word)


def _parse_number(text: str) -> int | float | None:
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(text) if text.lstrip("-").isdigit() and abs(number) < 1e18 else number


def _describe(payload: Payload, what: object) -> str:
    if isinstance(what, dict):
        return "an object"
    if isinstance(what, list):
        return "a list"
    text = what if isinstance(what, str) else json.dumps(what)
    return quoted(payload, text)[:_LONGEST].rstrip() or "an empty text"


class _Reader:
    """Reads a JSON value as the types say, and collects the odd members."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload
        self.unreadable: dict[str, str] = {}

    def read(self, value: object, type_: inspect.Type, path: tuple[str, ...]) -> Any:
        """The value; None for an odd member that may be null, and ``_ODD`` for one that may not be."""
        options = type_.types if isinstance(type_, inspect.UnionType) else (type_,)
        may_be_null = any(isinstance(option, inspect.NoneType) for option in options)
        if value is None:
            return None if may_be_null else _ODD
        # A number given as text is tried last, so that a member that may be a text stays one.
        for as_text in (False, True):
            for option in options:
                result = self._read_as(value, option, path, as_text=as_text)
                if result is not _ODD:
                    return None if result is None and not may_be_null else result
        if (
            isinstance(value, str)
            and is_nan(value)
            and any(isinstance(one, inspect.FloatType | inspect.IntType) for one in options)
        ):
            return None if may_be_null else _ODD
        self.unreadable[".".join(path)] = _describe(self._payload, value)
        return None if may_be_null else _ODD

    def _read_as(self, value: object, type_: inspect.Type, path: tuple[str, ...], *, as_text: bool) -> Any:
        match type_:
            case inspect.FloatType() | inspect.IntType():
                return self._number(value, type_, as_text=as_text)
            case inspect.StrType() if isinstance(value, str):
                return value.encode("utf-8", "replace").decode()
            case inspect.BoolType() if isinstance(value, bool):
                return value
            case inspect.AnyType():
                return value
            case inspect.StructType() if isinstance(value, dict):
                return self._struct(value, type_, path)
            case inspect.DictType() if isinstance(value, dict):
                return self._dict(value, type_, path)
            case inspect.ListType() if isinstance(value, list):
                return self._list(value, type_, path)
        return _ODD

    @staticmethod
    def _number(value: object, type_: inspect.FloatType | inspect.IntType, *, as_text: bool) -> Any:
        number: float | None = None
        if as_text and isinstance(value, str):
            number = read_number(value)
        elif not as_text and isinstance(value, int | float) and not isinstance(value, bool):
            number = value
        if number is None:
            return _ODD
        if isinstance(type_, inspect.FloatType):
            return float(number)
        return int(number) if number == int(number) else _ODD

    def _struct(self, value: dict[str, object], type_: inspect.StructType, path: tuple[str, ...]) -> Any:
        members: dict[str, Any] = {}
        for field in type_.fields:
            if field.encode_name in value:
                member = self.read(value[field.encode_name], field.type, (*path, field.encode_name))
                if member is not _ODD:
                    members[field.name] = member
            if field.required and field.name not in members:
                return _ODD
        return type_.cls(**members)

    def _dict(self, value: dict[str, object], type_: inspect.DictType, path: tuple[str, ...]) -> Any:
        members = {name: self.read(item, type_.value_type, (*path, name)) for name, item in value.items()}
        return {name: member for name, member in members.items() if member is not _ODD}

    def _list(self, value: list[object], type_: inspect.ListType, path: tuple[str, ...]) -> Any:
        elements = [self.read(item, type_.item_type, (*path, str(index))) for index, item in enumerate(value)]
        return [element for element in elements if element is not _ODD]
