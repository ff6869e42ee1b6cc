"""Plugin metas: what all versions of a plugin share."""

from __future__ import annotations

from gateway.api import plugins
from gateway.api.calls import Call
from gateway.api.resources import Answer, Resource, listing, lists, load, searches, shows
from gateway.api.shapes import Shape, To, attribute, attributes
from gateway.catalog.lists import plugins as catalog

SHAPE = Shape(
    "PluginMeta",
    "plugin-meta",
    {
        **attributes("id"),
        "creation_date": attribute("created"),
        "modification_date": attribute("modified"),
        **attributes("name", "title", "stars", "public_repo", "license", "type", "icon", "category", "authors"),
        **attributes("documentation"),
    },
    {"plugins": To("plugin-meta-plugins")},
)
SEARCH = ("plugin-meta-search", catalog.META_FILTERS)


def versions(call: Call) -> Answer:
    meta = load(call, SHAPE, catalog.find_meta)
    rows = catalog.versions(call.session, meta.id, call.window)
    return listing(call, plugins.SHAPE, rows, links={"meta": call.links.to("plugin-meta", meta.id)})


RESOURCES = (
    Resource(
        "plugin-metas",
        "plugins/metas/",
        get=lists(SHAPE, catalog.metas, links={"feeds": "feeds", "plugins": "plugins"}, search=SEARCH),
    ),
    Resource(SEARCH[0], "plugins/metas/search/", get=searches(SHAPE, catalog.metas, SEARCH[1])),
    Resource("plugin-meta", "plugins/metas/{}/", get=shows(SHAPE, catalog.find_meta)),
    Resource("plugin-meta-plugins", "plugins/metas/{}/plugins/", get=versions),
)
