"""API tokens (hashed) and preferences."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.errors import NotFoundError
from core.storage.database import Database


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as it is listed; the secret itself is not stored."""

    id: int
    name: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def _hashed(secret: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).hexdigest()


def insert_token(database: Database, name: str) -> str:
    """Create a token and return its secret, the only time it is seen."""
    secret = "wst_" + secrets.token_urlsafe(32)
    with database.transaction() as write:
        write.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, NULL, NULL)",
            [database.next_ids("tokens"), name, _hashed(secret), datetime.now()],
        )
    return secret


def check_token(database: Database, secret: str) -> TokenInfo | None:
    """The valid token with this secret, or None."""
    rows = database.read(
        "SELECT id, name, created_at, last_used_at, revoked_at FROM tokens WHERE hash = ? AND revoked_at IS NULL",
        [_hashed(secret)],
    )
    return TokenInfo(*rows[0]) if rows else None


def touch_token(database: Database, token_id: int) -> None:
    """Remember that a token was used, to the hour: a busy client must not write with every request."""
    now = datetime.now().replace(minute=0, second=0, microsecond=0)
    with database.transaction() as write:
        write.execute(
            "UPDATE tokens SET last_used_at = ? WHERE id = ? AND last_used_at IS DISTINCT FROM ?", [now, token_id, now]
        )


def list_tokens(database: Database) -> list[TokenInfo]:
    """All tokens, newest first."""
    rows = database.read("SELECT id, name, created_at, last_used_at, revoked_at FROM tokens ORDER BY id DESC")
    return [TokenInfo(*row) for row in rows]


def revoke_token(database: Database, token_id: int) -> None:
    """Make a token useless from now on."""
    if token_id not in {token.id for token in list_tokens(database)}:
        raise NotFoundError(f"There is no token {token_id}.")
    with database.transaction() as write:
        write.execute(
            "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", [datetime.now(), token_id]
        )


def get_preference(database: Database, key: str, default: Any = None) -> Any:
    """A stored preference, or ``default``."""
    rows = database.read("SELECT value FROM preferences WHERE key = ? ORDER BY happened_at DESC LIMIT 1", [key])
    return json.loads(rows[0][0]) if rows else default


def set_preference(database: Database, key: str, value: Any) -> None:
    """Store a preference (any JSON value)."""
    with database.transaction() as write:
        write.execute("DELETE FROM preferences WHERE key = ?", [key])
        write.execute("INSERT INTO preferences VALUES (?, ?, ?)", [key, json.dumps(value), datetime.now()])
