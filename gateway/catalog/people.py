"""Tables of people: users, groups, who is in which, and the tokens they sign in with."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.catalog.base import Base, BigId, Key, Time


class User(Base):
    """Somebody who can sign in. `turn` tells when a job of theirs was last released (see `release`)."""

    __tablename__ = "users"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[Key]
    username: Mapped[str] = mapped_column(String(32), unique=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password: Mapped[str] = mapped_column(String(200))
    """An argon2 hash in its own notation, parameters and salt included."""
    is_staff: Mapped[bool] = mapped_column(default=False)
    is_superuser: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    turn: Mapped[int] = mapped_column(BigInteger, default=0)
    created: Mapped[Time]


class Group(Base):
    __tablename__ = "groups"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(150), unique=True)


class Membership(Base):
    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("group_id", "user_id"),)

    id: Mapped[Key]
    group_id: Mapped[int] = mapped_column(BigId, ForeignKey("groups.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), index=True)


class Token(Base):
    """A token that signs in. Only its SHA-256 is kept: it has 160 random bits, so a slow hash would add nothing."""

    __tablename__ = "tokens"

    id: Mapped[Key]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created: Mapped[Time]
    revoked: Mapped[bool] = mapped_column(default=False)
