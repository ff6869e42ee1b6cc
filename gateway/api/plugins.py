"""Plugins (each a version of a meta) and their parameters. Everybody may read them."""

from __future__ import annotations

from typing import Any

from gateway.api import computeresources
from gateway.api.calls import Call
from gateway.api.resources import Answer, Resource, listing, lists, load, searches, shows
from gateway.api.shapes import Getter, Shape, To, attribute, attributes
from gateway.catalog.lists import plugins as catalog


def of_meta(*names: str) -> dict[str, Getter]:
    """Fields that all versions of a plugin share."""
    return {name: _of_meta(name) for name in names}


def _of_meta(name: str) -> Getter:
    return lambda plugin: getattr(plugin.meta, name)


FIELDS: dict[str, Getter] = {
    **attributes("id"),
    "creation_date": attribute("created"),
    **of_meta("name"),
    **attributes("version", "dock_image"),
    **of_meta("public_repo", "icon", "type", "stars", "authors", "title", "category"),
    **attributes("description"),
    **of_meta("documentation", "license"),
    **attributes("execshell", "selfpath", "selfexec"),
    **attributes("min_number_of_workers", "max_number_of_workers", "min_cpu_limit", "max_cpu_limit"),
    **attributes("min_memory_limit", "max_memory_limit", "min_gpu_limit", "max_gpu_limit"),
}
SHAPE = Shape(
    "Plugin",
    "plugin",
    FIELDS,
    {
        "meta": To("plugin-meta", attribute("meta_id")),
        "parameters": To("plugin-parameters"),
        "instances": To("plugin-instances-of"),
        "compute_resources": To("plugin-compute-resources"),
    },
)
PARAMETER = Shape(
    "PluginParameter",
    "plugin-parameter",
    attributes("id", "name", "type", "optional", "default", "flag", "short_flag", "action", "help", "ui_exposed"),
    {"plugin": To("plugin", attribute("plugin_id"))},
)
SEARCH = ("plugin-search", catalog.PLUGIN_FILTERS)


def back(call: Call, plugin: Any) -> dict[str, str]:
    """The link of a plugin's lists to the plugin."""
    return {"plugin": call.links.to("plugin", plugin.id)}


def parameters(call: Call) -> Answer:
    plugin = load(call, SHAPE, catalog.find_plugin)
    rows = catalog.parameters(call.session, plugin.id, call.window)
    return listing(call, PARAMETER, rows, links=back(call, plugin))


def compute_resources(call: Call) -> Answer:
    plugin = load(call, SHAPE, catalog.find_plugin)
    rows = catalog.resources(call.session, call.reader, {"plugin_id": plugin.id}, call.window)
    return listing(call, computeresources.SHAPE, rows, links=back(call, plugin))


RESOURCES = (
    Resource(
        "plugins",
        "plugins/",
        get=lists(SHAPE, catalog.plugins, links={"feeds": "feeds", "plugin_metas": "plugin-metas"}, search=SEARCH),
    ),
    Resource(SEARCH[0], "plugins/search/", get=searches(SHAPE, catalog.plugins, SEARCH[1])),
    Resource("plugin", "plugins/{}/", get=shows(SHAPE, catalog.find_plugin)),
    Resource("plugin-parameters", "plugins/{}/parameters/", get=parameters),
    Resource("plugin-compute-resources", "plugins/{}/computeresources/", get=compute_resources),
    Resource("plugin-parameter", "plugins/parameters/{}/", get=shows(PARAMETER, catalog.find_parameter)),
)
