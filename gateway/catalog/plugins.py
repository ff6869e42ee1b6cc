"""Tables of plugins: metas, versions, parameters, and the compute resources on which they run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.catalog.base import Base, BigId, ExactJson, Key, Time

UNLIMITED = 2**31 - 1
"""What CUBE shows as a limit where there is none."""


class ComputeResource(Base):
    """A named target of jobs. At most `slots` unfinished jobs are out on it at a time (design 3.8)."""

    __tablename__ = "compute_resources"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str] = mapped_column(String(600), default="")
    compute_url: Mapped[str] = mapped_column(String(300), default="")
    compute_auth_url: Mapped[str] = mapped_column(String(350), default="")
    max_job_exec_seconds: Mapped[int] = mapped_column(Integer, default=-1)
    """-1: no limit."""
    slots: Mapped[int] = mapped_column(Integer, default=8)
    created: Mapped[Time]
    modified: Mapped[Time]


class PluginMeta(Base):
    """What all versions of a plugin share."""

    __tablename__ = "plugin_metas"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(100), unique=True)
    title: Mapped[str] = mapped_column(String(400), default="")
    stars: Mapped[int] = mapped_column(Integer, default=0)
    public_repo: Mapped[str] = mapped_column(String(300), default="")
    license: Mapped[str] = mapped_column(String(50), default="")
    type: Mapped[str] = mapped_column(String(4), default="ds")
    icon: Mapped[str] = mapped_column(String(300), default="")
    category: Mapped[str] = mapped_column(String(100), default="")
    authors: Mapped[str] = mapped_column(String(200), default="")
    documentation: Mapped[str] = mapped_column(String(800), default="")
    created: Mapped[Time]
    modified: Mapped[Time]


class Plugin(Base):
    """One version of a plugin. Limits: millicores, MiB, GPUs, pods.

    `runtime_kind` is `environment` (`runtime_place`: its folder), `image` (`runtime_place`: its reference; "" means
    `dock_image`) or `builtin`: only rows are copied, and no process runs (design 3.8).
    """

    __tablename__ = "plugins"
    __table_args__ = (
        UniqueConstraint("meta_id", "version"),
        UniqueConstraint("meta_id", "dock_image"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Key]
    meta_id: Mapped[int] = mapped_column(BigId, ForeignKey("plugin_metas.id", ondelete="CASCADE"))
    version: Mapped[str] = mapped_column(String(10))
    dock_image: Mapped[str] = mapped_column(String(500))
    description: Mapped[str] = mapped_column(Text, default="")
    execshell: Mapped[str] = mapped_column(String(50))
    selfpath: Mapped[str] = mapped_column(String(512))
    selfexec: Mapped[str] = mapped_column(String(50))
    min_number_of_workers: Mapped[int] = mapped_column(Integer, default=1)
    max_number_of_workers: Mapped[int] = mapped_column(Integer, default=UNLIMITED)
    min_cpu_limit: Mapped[int] = mapped_column(Integer, default=1000)
    max_cpu_limit: Mapped[int] = mapped_column(Integer, default=UNLIMITED)
    min_memory_limit: Mapped[int] = mapped_column(Integer, default=200)
    max_memory_limit: Mapped[int] = mapped_column(Integer, default=UNLIMITED)
    min_gpu_limit: Mapped[int] = mapped_column(Integer, default=0)
    max_gpu_limit: Mapped[int] = mapped_column(Integer, default=0)
    runtime_kind: Mapped[str] = mapped_column(String(20), default="environment")
    runtime_place: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[Time]

    meta: Mapped[PluginMeta] = relationship(lazy="raise_on_sql", innerjoin=True)
    parameters: Mapped[list[PluginParameter]] = relationship(
        lazy="raise_on_sql", order_by="PluginParameter.id", back_populates="plugin"
    )
    compute_resources: Mapped[list[ComputeResource]] = relationship(
        lazy="raise_on_sql", secondary="plugin_compute_resources", order_by="ComputeResource.id", viewonly=True
    )


class PluginParameter(Base):
    """A parameter. `type`: string, integer, float, boolean, path, unextpath; `default` is null where there is none."""

    __tablename__ = "plugin_parameters"
    __table_args__ = (UniqueConstraint("plugin_id", "name"),)

    id: Mapped[Key]
    plugin_id: Mapped[int] = mapped_column(BigId, ForeignKey("plugins.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(50))
    type: Mapped[str] = mapped_column(String(10))
    optional: Mapped[bool] = mapped_column(default=False)
    default: Mapped[Any] = mapped_column(ExactJson, nullable=True)
    flag: Mapped[str] = mapped_column(String(52))
    short_flag: Mapped[str] = mapped_column(String(52), default="")
    action: Mapped[str] = mapped_column(String(20), default="store")
    help: Mapped[str] = mapped_column(Text, default="")
    ui_exposed: Mapped[bool] = mapped_column(default=True)

    plugin: Mapped[Plugin] = relationship(lazy="raise_on_sql", back_populates="parameters")


class PluginComputeResource(Base):
    """On which compute resources a plugin is registered."""

    __tablename__ = "plugin_compute_resources"

    plugin_id: Mapped[int] = mapped_column(BigId, ForeignKey("plugins.id", ondelete="CASCADE"), primary_key=True)
    compute_resource_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("compute_resources.id", ondelete="CASCADE"), primary_key=True, index=True
    )
