"""Compute resources, plugin metas, plugins and their parameters. Everybody may read them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from gateway.catalog.lists.rows import (
    Filter,
    Filters,
    Rows,
    Wanted,
    Window,
    at_least,
    at_most,
    containing,
    equal,
    narrowed,
    window_of,
)
from gateway.catalog.plugins import ComputeResource, Plugin, PluginComputeResource, PluginMeta, PluginParameter
from gateway.policy import Reader


def registered_on(number: int) -> ColumnElement[bool]:
    """Plugins of a compute resource."""
    link = PluginComputeResource
    return Plugin.id.in_(select(link.plugin_id).where(link.compute_resource_id == number))


def runs(number: int) -> ColumnElement[bool]:
    """Compute resources of a plugin."""
    link = PluginComputeResource
    return ComputeResource.id.in_(select(link.compute_resource_id).where(link.plugin_id == number))


RESOURCE_FILTERS: Filters = {
    "id": equal(ComputeResource.id, "number"),
    "name": containing(ComputeResource.name),
    "name_exact": equal(ComputeResource.name),
    "description": containing(ComputeResource.description),
    "plugin_id": Filter("number", runs),
}
META_FILTERS: Filters = {
    "id": equal(PluginMeta.id, "number"),
    "name": containing(PluginMeta.name),
    "name_exact": equal(PluginMeta.name),
    "title": containing(PluginMeta.title),
    "public_repo": equal(PluginMeta.public_repo),
    "category": containing(PluginMeta.category),
    "type": equal(PluginMeta.type),
    "authors": containing(PluginMeta.authors),
    "min_creation_date": at_least(PluginMeta.created, "date"),
    "max_creation_date": at_most(PluginMeta.created, "date"),
    "name_title_category": containing(PluginMeta.name, PluginMeta.title, PluginMeta.category),
    "name_authors_category": containing(PluginMeta.name, PluginMeta.authors, PluginMeta.category),
}
SORTS = {
    "version": Plugin.version.asc(),
    "-version": Plugin.version.desc(),
    "creation_date": Plugin.created.asc(),
    "-creation_date": Plugin.created.desc(),
}
PLUGIN_FILTERS: Filters = {
    "id": equal(Plugin.id, "number"),
    "name": containing(PluginMeta.name),
    "name_exact": equal(PluginMeta.name),
    "version": equal(Plugin.version),
    "dock_image": equal(Plugin.dock_image),
    "type": equal(PluginMeta.type),
    "category": containing(PluginMeta.category),
    "min_creation_date": at_least(Plugin.created, "date"),
    "max_creation_date": at_most(Plugin.created, "date"),
    "title": containing(PluginMeta.title),
    "public_repo": equal(PluginMeta.public_repo),
    "description": containing(Plugin.description),
    "name_title_category": containing(PluginMeta.name, PluginMeta.title, PluginMeta.category),
    "compute_resource_id": Filter("number", registered_on),
    "sort": Filter("text", lambda value: Plugin.id > 0),
}


def resources(session: Session, reader: Reader, wanted: Wanted, window: Window) -> Rows[ComputeResource]:
    statement = narrowed(select(ComputeResource), RESOURCE_FILTERS, wanted)
    return window_of(session, statement, window, ComputeResource.id)


def find_resource(session: Session, number: int) -> ComputeResource | None:
    return session.get(ComputeResource, number)


def metas(session: Session, reader: Reader, wanted: Wanted, window: Window) -> Rows[PluginMeta]:
    """By type, then name."""
    statement = narrowed(select(PluginMeta), META_FILTERS, wanted)
    return window_of(session, statement, window, PluginMeta.type, PluginMeta.name, PluginMeta.id)


def find_meta(session: Session, number: int) -> PluginMeta | None:
    return session.get(PluginMeta, number)


def plugins(session: Session, reader: Reader, wanted: Wanted, window: Window) -> Rows[Plugin]:
    """By meta, the newest version first (compared as text, as CUBE does), or as `sort` says."""
    statement = narrowed(_plugins(), PLUGIN_FILTERS, wanted)
    sort = SORTS.get(wanted.get("sort", ""))
    order = [sort, Plugin.id] if sort is not None else [Plugin.meta_id, Plugin.version.desc(), Plugin.id]
    return window_of(session, statement, window, *order)


def versions(session: Session, meta: int, window: Window) -> Rows[Plugin]:
    """The versions of a meta, the newest first."""
    return window_of(session, _plugins().where(Plugin.meta_id == meta), window, Plugin.version.desc(), Plugin.id)


def find_plugin(session: Session, number: int) -> Plugin | None:
    return session.scalar(_plugins().where(Plugin.id == number))


def parameters(session: Session, plugin: int, window: Window) -> Rows[PluginParameter]:
    statement = select(PluginParameter).where(PluginParameter.plugin_id == plugin)
    return window_of(session, statement, window, PluginParameter.id)


def parameter_names(session: Session, plugin: int) -> tuple[str, ...]:
    names = select(PluginParameter.name).where(PluginParameter.plugin_id == plugin).order_by(PluginParameter.id)
    return tuple(session.scalars(names))


def find_parameter(session: Session, number: int) -> PluginParameter | None:
    return session.scalar(
        select(PluginParameter).where(PluginParameter.id == number).options(joinedload(PluginParameter.plugin))
    )


def _plugins() -> Select[Plugin]:
    return select(Plugin).join(Plugin.meta).options(contains_eager(Plugin.meta))
