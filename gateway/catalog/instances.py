"""Tables of plugin instances: a plugin that was run, is running or will run, and the parameters it was given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.catalog.base import Base, BigId, ExactJson, Key, Milliseconds, Time, UtcDateTime
from gateway.catalog.feeds import Feed
from gateway.catalog.people import User
from gateway.catalog.plugins import ComputeResource, Plugin, PluginParameter
from gateway.catalog.tree import Folder


class PluginInstance(Base):
    """A plugin instance. `status` is one of `states`; limits in millicores, MiB, GPUs, pods; `size` in bytes.

    `job` is the name under which the functions know it. `reason` is one word of `functions.jobs.End`, `sentence` is for
    the user. `registered` counts the output files that are in (see `settlement`). The fields `*_ms` are its timeline.
    """

    __tablename__ = "plugin_instances"
    __table_args__ = (
        Index("ix_plugin_instances_queue", "status", "slotless", "compute_resource_id", "owner_id", "id"),
        Index("ix_plugin_instances_feed_status", "feed_id", "status"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Key]
    job: Mapped[str | None] = mapped_column(String(63), unique=True)
    title: Mapped[str] = mapped_column(String(100), default="")
    plugin_id: Mapped[int] = mapped_column(BigId, ForeignKey("plugins.id", ondelete="CASCADE"), index=True)
    owner_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    feed_id: Mapped[int] = mapped_column(BigId, ForeignKey("feeds.id", ondelete="CASCADE"))
    previous_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("plugin_instances.id", ondelete="CASCADE"), index=True
    )
    compute_resource_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("compute_resources.id", ondelete="SET NULL"), index=True
    )
    output_folder_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("folders.id", ondelete="SET NULL"), index=True
    )
    workflow_id: Mapped[int | None] = mapped_column(BigId, index=True)

    status: Mapped[str] = mapped_column(String(30), default="created")
    start_date: Mapped[Time]
    end_date: Mapped[Time]
    cpu_limit: Mapped[int] = mapped_column(Integer)
    memory_limit: Mapped[int] = mapped_column(Integer)
    gpu_limit: Mapped[int] = mapped_column(Integer, default=0)
    number_of_workers: Mapped[int] = mapped_column(Integer, default=1)
    size: Mapped[int] = mapped_column(BigInteger, default=0)

    slotless: Mapped[bool] = mapped_column(default=False)
    """It only copies rows, so it needs no slot and makes no job."""
    cancel: Mapped[bool] = mapped_column(default=False)
    """The user wants it cancelled; the job's `result` decides whether that came in time."""
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    registered: Mapped[int] = mapped_column(Integer, default=0)
    error_code: Mapped[str] = mapped_column(String(7), default="")
    exit_code: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(50), default="")
    sentence: Mapped[str] = mapped_column(Text, default="")
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """`cpu_seconds`, `peak_bytes`, `wall_seconds`, as in `functions.jobs.Usage`."""
    log_tail: Mapped[str] = mapped_column(Text, default="")
    """The last 1,800 characters that the plugin printed: what CUBE shows in `summary`."""
    runtime_place: Mapped[str] = mapped_column(Text, default="")

    deletion_status: Mapped[str] = mapped_column(String(20), default="none")
    deletion_error: Mapped[str] = mapped_column(Text, default="")
    deletion_requested_at: Mapped[Time | None] = mapped_column(UtcDateTime)

    queued_ms: Mapped[Milliseconds]
    released_ms: Mapped[Milliseconds]
    staged_ms: Mapped[Milliseconds]
    dispatched_ms: Mapped[Milliseconds]
    started_ms: Mapped[Milliseconds]
    uploading_ms: Mapped[Milliseconds]
    committed_ms: Mapped[Milliseconds]
    finished_ms: Mapped[Milliseconds]

    plugin: Mapped[Plugin] = relationship(lazy="raise_on_sql", innerjoin=True)
    owner: Mapped[User] = relationship(lazy="raise_on_sql", innerjoin=True)
    feed: Mapped[Feed] = relationship(lazy="raise_on_sql", innerjoin=True)
    compute_resource: Mapped[ComputeResource | None] = relationship(lazy="raise_on_sql")
    output_folder: Mapped[Folder | None] = relationship(lazy="raise_on_sql", foreign_keys=[output_folder_id])
    previous: Mapped[PluginInstance | None] = relationship(lazy="raise_on_sql", remote_side="PluginInstance.id")


class ParameterValue(Base):
    """A parameter that was given when an instance was created. `type` is that of the parameter, for CUBE's URLs."""

    __tablename__ = "parameter_values"

    id: Mapped[Key]
    instance_id: Mapped[int] = mapped_column(BigId, ForeignKey("plugin_instances.id", ondelete="CASCADE"), index=True)
    parameter_id: Mapped[int] = mapped_column(BigId, ForeignKey("plugin_parameters.id", ondelete="CASCADE"), index=True)
    type: Mapped[str] = mapped_column(String(10))
    value: Mapped[Any] = mapped_column(ExactJson)

    instance: Mapped[PluginInstance] = relationship(lazy="raise_on_sql", innerjoin=True)
    parameter: Mapped[PluginParameter] = relationship(lazy="raise_on_sql", innerjoin=True)


class Join(Base):
    """For whom an instance waits beside its previous one, which is among them: the instances that a ts plugin joins."""

    __tablename__ = "joins"

    instance_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("plugin_instances.id", ondelete="CASCADE"), primary_key=True
    )
    parent_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("plugin_instances.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Split(Base):
    """A split: the outputs of an instance, parted by filters, each into an instance of its own (`created_ids`)."""

    __tablename__ = "splits"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[Key]
    instance_id: Mapped[int] = mapped_column(BigId, ForeignKey("plugin_instances.id", ondelete="CASCADE"), index=True)
    filter: Mapped[str] = mapped_column(String(600), default="")
    created_ids: Mapped[str] = mapped_column(Text, default="")
    """Comma-separated, as CUBE shows them."""
    created: Mapped[Time]

    instance: Mapped[PluginInstance] = relationship(lazy="raise_on_sql", innerjoin=True)
