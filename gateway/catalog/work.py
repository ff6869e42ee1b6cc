"""Tables of work to be done after a commit: events to send, jobs to repair, objects to delete, journal to write."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.catalog.base import Base, BigId, ByteText, Key, Time, UtcDateTime


class OutboxRow(Base):
    """Something to tell the functions. `kind` is `request` (`body`: the record's NDJSON, zlib) or `cancel`."""

    __tablename__ = "outbox"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(String(20))
    job: Mapped[str] = mapped_column(String(63), index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    created: Mapped[Time]


class Repair(Base):
    """When the sweep looks at an unfinished job next, and how often it has done so."""

    __tablename__ = "repairs"

    instance_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("plugin_instances.id", ondelete="CASCADE"), primary_key=True
    )
    next_at: Mapped[Time] = mapped_column(UtcDateTime, index=True)
    tries: Mapped[int] = mapped_column(Integer, default=0)


class PendingDeletion(Base):
    """An object that lost a row. It is deleted when no row and no unfinished job can name it any more."""

    __tablename__ = "pending_deletions"

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(ByteText, unique=True)
    created: Mapped[Time]


class JournalEntry(Base):
    """A change that could not be rebuilt from the bucket (names, rights, feeds), to be written there."""

    __tablename__ = "journal"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[Key]
    noun: Mapped[str] = mapped_column(String(30))
    noun_id: Mapped[int] = mapped_column(BigId)
    verb: Mapped[str] = mapped_column(String(30))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    created: Mapped[Time]
