"""Splits of instances."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from gateway.catalog.instances import PluginInstance, Split
from gateway.catalog.lists.rows import Rows, Window, window_of


def of_instance(session: Session, instance: int, window: Window) -> Rows[Split]:
    """The splits of an instance, the newest first."""
    return window_of(session, _loaded().where(Split.instance_id == instance), window, Split.id.desc())


def find(session: Session, number: int) -> Split | None:
    """A split; its instance and that one's feed are loaded."""
    return session.scalar(_loaded().where(Split.id == number))


def _loaded() -> Select[Split]:
    return select(Split).options(joinedload(Split.instance).joinedload(PluginInstance.feed))
