"""Users, as others may know of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.catalog.people import User


def find(session: Session, number: int) -> User | None:
    return session.get(User, number)


def find_by_name(session: Session, username: str) -> User | None:
    """The active user of this name."""
    return session.scalar(select(User).where(User.username == username, User.is_active))


def first_created(session: Session) -> datetime | None:
    """When the first user was made."""
    return session.scalar(select(User.created).order_by(User.id).limit(1))
