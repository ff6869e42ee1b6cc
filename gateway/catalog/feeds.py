"""The table of feeds: one per analysis that a user began. A feed's note is part of it, and has the feed's id."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.catalog.base import Base, BigId, Key, Time, UtcDateTime
from gateway.catalog.people import User
from gateway.catalog.tree import Folder


class Feed(Base):
    __tablename__ = "feeds"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(200), default="")
    owner_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    public: Mapped[bool] = mapped_column(default=False, index=True)
    folder_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("folders.id", ondelete="SET NULL"), index=True)
    note_title: Mapped[str] = mapped_column(String(100), default="")
    note_content: Mapped[str] = mapped_column(Text, default="")
    deletion_status: Mapped[str] = mapped_column(String(20), default="none")
    deletion_error: Mapped[str] = mapped_column(Text, default="")
    deletion_requested_at: Mapped[Time | None] = mapped_column(UtcDateTime)
    created: Mapped[Time]
    modified: Mapped[Time]

    owner: Mapped[User] = relationship(lazy="raise_on_sql")
    folder: Mapped[Folder | None] = relationship(lazy="raise_on_sql", foreign_keys=[folder_id])
