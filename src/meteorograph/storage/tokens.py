"""Add, list, revoke and look up tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..errors import TokenExistsError, TokenNotFoundError
from ..model.states import TokenScope
from .models import Token
from .upsert import insert_or_ignore


def digest_of(token: str) -> str:
    """SHA-256 of a token, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_token(
    session: Session, name: str, scopes: Collection[TokenScope], now: datetime, expires_at: datetime | None = None
) -> str:
    """Add a token and return its text, which is stored nowhere.

    Raises:
        TokenExistsError: The name is taken.
    """
    text = secrets.token_urlsafe(32)
    words = " ".join(scope for scope in TokenScope if scope in scopes)
    row = {"name": name, "digest": digest_of(text), "scopes": words, "created_at": now, "expires_at": expires_at}
    if insert_or_ignore(session, Token, [row]) <= 0:
        raise TokenExistsError(name)
    return text


def list_tokens(session: Session) -> Sequence[Token]:
    """All tokens, by name."""
    return session.scalars(select(Token).order_by(Token.name)).all()


def revoke_token(session: Session, name: str) -> None:
    """Delete a token; it stops to work at once.

    Raises:
        TokenNotFoundError: No token has that name.
    """
    if session.scalar(select(Token.name).where(Token.name == name)) is None:
        raise TokenNotFoundError(name)
    session.execute(delete(Token).where(Token.name == name))


def has_tokens(session: Session) -> bool:
    """Whether there is any token, also an expired one: a token that expires must not open the service."""
    return session.scalar(select(Token.name).limit(1)) is not None


def scopes_of(session: Session, token: str, now: datetime) -> frozenset[TokenScope]:
    """What a token allows now; nothing if it is unknown or has expired."""
    found = session.scalars(select(Token).where(Token.digest == digest_of(token))).first()
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        return frozenset()
    return frozenset(map(TokenScope, found.scopes.split()))
