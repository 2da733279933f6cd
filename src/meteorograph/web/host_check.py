"""Refuse requests for other host names (DNS rebinding).

A page of another site can let its own name point to this machine. Its requests then count as requests of the same site, and only
the ``Host`` header tells them apart.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import HTTPException

from ..config.loading import get_settings

_LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


class MisdirectedRequest(HTTPException):
    """421: the request is for another host."""

    code = 421
    name = "Misdirected Request"


def refuse_other_hosts() -> None:
    """Refuse a request whose ``Host`` is none of ours.

    Raises:
        MisdirectedRequest: The host is neither a loopback address or name, nor ``HOST``, nor in ``METEOROGRAPH_TRUSTED_HOSTS``.
            If ``HOST`` stands for all addresses, every address is accepted, since a page cannot be at an address of its own.
    """
    name = host_name(request.headers.get("Host", ""))
    settings = get_settings()
    trusted = {settings.host.lower(), *settings.trusted_hosts}
    if name is None or not (name in trusted or is_loopback(name) or (is_any_address(settings.host) and _is_address(name))):
        raise MisdirectedRequest("This host name is not served here; METEOROGRAPH_TRUSTED_HOSTS names further ones.")


def host_name(header: str) -> str | None:
    """The name or address in a ``Host`` header, in lower case, without port and final dot; None if the header is invalid."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
        name = (parts.hostname or "").removesuffix(".")
    except ValueError:
        return None
    # The parser ignores what follows the bracket of an IPv6 address.
    has_junk = "[" in header and not header.partition("]")[2].removeprefix(":").isdecimal() and not header.endswith(("]", "]:"))
    is_plain = not (parts.path or parts.query or parts.fragment or "@" in header or has_junk)
    return name if name and is_plain else None


def is_loopback(name: str) -> bool:
    """Whether a name or address can only be this machine."""
    return name in _LOOPBACK_NAMES or name.endswith(".localhost") or (_is_address(name) and ip_address(name).is_loopback)


def is_any_address(name: str) -> bool:
    """Whether ``HOST`` stands for all addresses of the machine."""
    return _is_address(name) and ip_address(name).is_unspecified


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
