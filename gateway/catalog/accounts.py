"""Users and how they sign in: passwords as argon2 hashes, tokens as SHA-256 of 160 random bits."""

from __future__ import annotations

import hashlib
import secrets
import threading
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from functions.objects import ObjectStore
from gateway.catalog import folders, paths
from gateway.catalog.base import table
from gateway.catalog.engine import Catalog
from gateway.catalog.faults import Faults, Faulty
from gateway.catalog.people import Token, User
from gateway.catalog.tree import File
from gateway.catalog.uploads import Stored

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's first choice for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane."""
HASHING = threading.BoundedSemaphore(2)
"""At most two hashes at a time: many sign-ins at once must not take the machine's memory."""
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$0000000000000000000000000000000000000000000"
"""Checked for users that do not exist, so that an answer takes as long for them."""
WELCOME = """Welcome to Chrysalis.

Files that you upload lie in the folder `uploads` beside this one, the results of your analyses in `feeds`.
"""


def add_user(
    catalog: Catalog,
    store: ObjectStore,
    *,
    username: str,
    password: str,
    email: str,
    now: datetime,
    is_staff: bool = False,
    is_superuser: bool = False,
) -> int:
    """Make a user with a home; answers the id. Raises Faulty with all faults.

    The welcome file is put into the store before the transaction, so that no transaction waits for a store.
    """
    with catalog.reading() as session:
        check_user(session, username=username, password=password, email=email)
    row = {
        "username": username,
        "email": email,
        "password": hash_password(password),
        "is_staff": is_staff or is_superuser,
        "is_superuser": is_superuser,
        "created": now,
    }
    welcome = put_welcome(store)
    with catalog.transaction() as session:
        check_user(session, username=username, password=password, email=email)
        user_id = session.execute(table(User).insert().values(row).returning(User.id)).scalar_one()
        _add_home(session, f"home/{username}", int(user_id), welcome, now)
    return int(user_id)


def check_user(session: Session, *, username: str, password: str, email: str) -> None:
    """Raises Faulty with all that is wrong with a new user, in CUBE's words."""
    faults = Faults()
    if not 4 <= len(username) <= 32:
        faults.add("username", "Ensure this field has at least 4 and no more than 32 characters.")
    if _spoils_path(username):
        faults.add("username", "This field may not contain commas, slashes, or spaces at its ends.")
    if not 8 <= len(password) <= 100:
        faults.add("password", "Ensure this field has at least 8 and no more than 100 characters.")
    if "@" not in email.strip("@") or len(email) > 254 or any(sign.isspace() for sign in email):
        faults.add("email", "Enter a valid email address.")
    if session.scalar(select(exists().where(User.username == username))):
        faults.add("username", "This field must be unique.")
    if session.scalar(select(exists().where(User.email == email))):
        faults.add("email", "This field must be unique.")
    faults.close()


def authenticate(session: Session, username: str, password: str) -> User | None:
    """The user with this name and password; None if there is none, which takes as long."""
    user = session.scalar(select(User).where(User.username == username, User.is_active))
    right = verify_password(user.password if user else NOBODY, password)
    return user if right else None


def set_password(session: Session, user_id: int, password: str) -> None:
    """Raises Faulty if the password is too short or too long. The user's tokens stay valid (see `revoke_tokens`)."""
    if not 8 <= len(password) <= 100:
        raise Faulty({"password": ["Ensure this field has at least 8 and no more than 100 characters."]})
    session.execute(update(User).where(User.id == user_id).values(password=hash_password(password)))


def hash_password(password: str) -> str:
    with HASHING:
        return HASHER.hash(password)


def verify_password(hashed: str, password: str) -> bool:
    with HASHING:
        try:
            return HASHER.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def add_token(session: Session, user_id: int, *, now: datetime) -> str:
    """A new token (40 hex digits) for a user; only its hash is kept, so it is told this once."""
    token = secrets.token_hex(20)
    session.execute(table(Token).insert().values(digest=_digest(token), user_id=user_id, created=now))
    return token


def find_by_token(session: Session, token: str) -> User | None:
    """Whose token this is; None if it is unknown or revoked, or if the user is not active."""
    question = select(User).join(Token, Token.user_id == User.id)
    return session.scalar(question.where(Token.digest == _digest(token), Token.revoked.is_(False), User.is_active))


def find_by_name(session: Session, username: str) -> User | None:
    """The user of this name, active or not."""
    return session.scalar(select(User).where(User.username == username))


def revoke_tokens(session: Session, user_id: int) -> None:
    """None of the user's tokens signs in any more."""
    session.execute(update(Token).where(Token.user_id == user_id).values(revoked=True))


def put_welcome(store: ObjectStore) -> Stored:
    """Put the body of a new user's welcome file into the store, under a key of its own."""
    body = WELCOME.encode()
    info = store.put(f"uploads/{secrets.token_hex(16)}/welcome.txt", body)
    return Stored(info.key, info.size, info.etag, hashlib.sha256(body).hexdigest())


def _add_home(session: Session, home: str, user_id: int, welcome: Stored, now: datetime) -> None:
    places = folders.ensure(session, [f"{home}/uploads", f"{home}/feeds"], owner_id=user_id, now=now)
    row = {"folder_id": places[home].id, "name": "welcome.txt", "owner_id": user_id, "created": now}
    row |= {"key": welcome.key, "size": welcome.size, "etag": welcome.etag, "digest": welcome.digest}
    session.execute(table(File).insert().values(row))


def _spoils_path(username: str) -> bool:
    """Would a home of this name not be a plain folder?"""
    if "," in username or "/" in username:
        return True
    try:
        return paths.clean(f"home/{username}") != f"home/{username}"
    except Faulty:
        return True


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
