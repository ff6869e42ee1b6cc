"""Tables of the tree that users see: folders, files, links. A path is a row; the bytes lie elsewhere (design 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.catalog.base import Base, BigId, ByteText, Key, Time

if TYPE_CHECKING:
    from gateway.catalog.feeds import Feed
    from gateway.catalog.people import User


class Folder(Base):
    """A folder. `path` is the whole path without slashes at its ends; the root has the path "".

    `visible`: the folder is shown. `complete`: what it holds is shown; false while outputs are being registered.
    `feed_id` is set on all folders of a feed, `instance_id` on the `data` folder of an instance and all below it. They
    are no foreign keys, since feeds and instances point at folders, and SQLite cannot make such a ring of tables.
    """

    __tablename__ = "folders"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[Key]
    parent_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("folders.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(ByteText, unique=True)
    owner_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    public: Mapped[bool] = mapped_column(default=False)
    visible: Mapped[bool] = mapped_column(default=True)
    complete: Mapped[bool] = mapped_column(default=True)
    feed_id: Mapped[int | None] = mapped_column(BigId, index=True)
    instance_id: Mapped[int | None] = mapped_column(BigId, index=True)
    created: Mapped[Time]

    owner: Mapped[User] = relationship(lazy="raise_on_sql")
    parent: Mapped[Folder | None] = relationship(lazy="raise_on_sql", remote_side="Folder.id")
    feed: Mapped[Feed | None] = relationship(
        lazy="raise_on_sql", primaryjoin="foreign(Folder.feed_id) == Feed.id", viewonly=True
    )


class File(Base):
    """A file: a name in a folder, and the place, size (bytes), ETag and SHA-256 (hex, may be "") of its bytes."""

    __tablename__ = "files"
    __table_args__ = (
        UniqueConstraint("folder_id", "name"),
        Index("ix_files_key", "key"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Key]
    folder_id: Mapped[int] = mapped_column(BigId, ForeignKey("folders.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(ByteText)
    key: Mapped[str] = mapped_column(ByteText)
    size: Mapped[int] = mapped_column(BigInteger)
    etag: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64), default="")
    owner_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    public: Mapped[bool] = mapped_column(default=False)
    created: Mapped[Time]

    folder: Mapped[Folder] = relationship(lazy="raise_on_sql", innerjoin=True)
    owner: Mapped[User] = relationship(lazy="raise_on_sql")

    @property
    def path(self) -> str:
        """The whole path; the folder must be loaded."""
        return f"{self.folder.path}/{self.name}" if self.folder.path else self.name


class LinkFile(Base):
    """A link: a name in a folder that stands for another path (`target`) of the tree."""

    __tablename__ = "link_files"
    __table_args__ = (UniqueConstraint("folder_id", "name"),)

    id: Mapped[Key]
    folder_id: Mapped[int] = mapped_column(BigId, ForeignKey("folders.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(ByteText)
    target: Mapped[str] = mapped_column(ByteText)
    owner_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    public: Mapped[bool] = mapped_column(default=False)
    created: Mapped[Time]

    folder: Mapped[Folder] = relationship(lazy="raise_on_sql", innerjoin=True)
    owner: Mapped[User] = relationship(lazy="raise_on_sql")

    @property
    def path(self) -> str:
        return f"{self.folder.path}/{self.name}" if self.folder.path else self.name
