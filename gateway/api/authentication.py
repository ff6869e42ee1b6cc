"""Who asks: `Authorization: Token ...` or `Basic ...`. No header: somebody; a wrong one: nobody, with 401.

Passwords are hashed slowly on purpose, so one that was right is remembered for a while: not itself, but a keyed digest
of it beside the hash that it matched. A changed password has another hash, and is asked for anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta

from gateway.api.errors import Unknown
from gateway.catalog import accounts
from gateway.catalog.engine import Session
from gateway.catalog.lists import people
from gateway.catalog.people import User

REMEMBERED = timedelta(minutes=5)
MOST_REMEMBERED = 1000


class Passwords:
    """Passwords that were right a short while ago."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, tuple[str, datetime]] = OrderedDict()

    def check(self, session: Session, username: str, password: str, *, now: datetime) -> User | None:
        """The user with this name and password."""
        digest = hmac.digest(self._key, f"{username}\0{password}".encode(), hashlib.sha256)
        matched, until = self._right.get(digest, ("", now))
        if until > now:
            user = people.find_by_name(session, username)
            if user is not None and user.password == matched:
                return user
        user = accounts.authenticate(session, username, password)
        if user is not None:
            self._remember(digest, user.password, now + REMEMBERED)
        return user

    def _remember(self, digest: bytes, hashed: str, until: datetime) -> None:
        self._right[digest] = (hashed, until)
        while len(self._right) > MOST_REMEMBERED:
            self._right.popitem(last=False)


class Authentication:
    """Reads the header of a request."""

    def __init__(self) -> None:
        self._passwords = Passwords()

    def find(self, session: Session, header: str, *, now: datetime) -> User | None:
        """Who asks; None for a request without credentials. Raises Unknown for wrong ones."""
        scheme, _, credentials = header.strip().partition(" ")
        if scheme.lower() == "token":
            return by_token(session, credentials.strip())
        if scheme.lower() == "basic":
            username, password = read_basic(credentials.strip())
            user = self._passwords.check(session, username, password, now=now)
            if user is None:
                raise Unknown("Invalid username/password.")
            return user
        return None


def by_token(session: Session, token: str) -> User:
    if not token:
        raise Unknown("Invalid token header. No credentials provided.")
    if " " in token:
        raise Unknown("Invalid token header. Token string should not contain spaces.")
    user = accounts.find_by_token(session, token)
    if user is None:
        raise Unknown("Invalid token.")
    return user


def read_basic(credentials: str) -> tuple[str, str]:
    """The name and the password of RFC 7617."""
    if not credentials:
        raise Unknown("Invalid basic header. No credentials provided.")
    try:
        username, separator, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError as error:
        raise Unknown("Invalid basic header. Credentials not correctly base64 encoded.") from error
    if not separator or "\0" in username:
        raise Unknown("Invalid username/password.")
    return username, password
