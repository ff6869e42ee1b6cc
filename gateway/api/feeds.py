"""Feeds: the root of the API is their list, and the map of everything else."""

from __future__ import annotations

from gateway.api import fields, instances
from gateway.api.calls import Call
from gateway.api.fields import Field
from gateway.api.resources import Answer, Resource, item, listing, lists, load, refuse, searches, shows
from gateway.api.shapes import Getter, Shape, To
from gateway.catalog import editing, states
from gateway.catalog.lists import feeds as catalog
from gateway.catalog.lists import instances as instance_lists
from gateway.policy import may_read_feed, owns

JOBS = {
    "created_jobs": states.CREATED,
    "waiting_jobs": states.WAITING,
    "copying_jobs": states.COPYING,
    "scheduled_jobs": states.SCHEDULED,
    "started_jobs": states.STARTED,
    "uploading_jobs": states.UPLOADING,
    "registering_jobs": states.REGISTERING,
    "finished_jobs": states.FINISHED,
    "errored_jobs": states.FAILED,
    "cancelled_jobs": states.CANCELLED,
}


def of_feed(name: str) -> Getter:
    return lambda row: getattr(row.feed, name)


def jobs_in(state: str) -> Getter:
    return lambda row: row.jobs.get(state, 0)


SHAPE = Shape(
    "Feed",
    "feed",
    {
        "id": of_feed("id"),
        "creation_date": of_feed("created"),
        "modification_date": of_feed("modified"),
        "name": of_feed("name"),
        "public": of_feed("public"),
        "owner_username": lambda row: row.feed.owner.username,
        "folder_path": lambda row: row.feed.folder.path if row.feed.folder else None,
        **{name: jobs_in(state) for name, state in JOBS.items()},
        "deletion_status": of_feed("deletion_status"),
        "deletion_requested_at": of_feed("deletion_requested_at"),
        "deletion_error": of_feed("deletion_error"),
    },
    {
        "folder": To("folder", of_feed("folder_id")),
        "note": To("note"),
        "group_permissions": To("feed-group-permissions"),
        "user_permissions": To("feed-user-permissions"),
        "tags": To("feed-tags"),
        "taggings": To("feed-taggings"),
        "comments": To("feed-comments"),
        "plugin_instances": To("feed-instances"),
        "owner": To("user", of_feed("owner_id")),
    },
)
SEARCH = ("feed-search", catalog.FILTERS)
PUBLIC_SEARCH = ("public-feed-search", catalog.FILTERS)
MAP = {
    "public_feeds": "public-feeds",
    "compute_resources": "compute-resources",
    "plugin_metas": "plugin-metas",
    "plugins": "plugins",
    "plugin_instances": "plugin-instances",
    "pipelines": "pipelines",
    "workflows": "workflows",
    "tags": "tags",
    "pipelinesourcefiles": "pipeline-source-files",
    "userfiles": "user-files",
    "pacs": "pacs",
    "pacsqueries": "pacs-queries",
    "pacsfiles": "pacs-files",
    "pacsseries": "pacs-series",
    "filebrowser": "folders",
}
"""What clients find from the root, in their order."""
FIELDS = {"name": Field(fields.text(most=200)), "public": Field(fields.boolean)}


def root(call: Call) -> Answer:
    """The reader's feeds, and the map."""
    rows = catalog.own(call.session, call.reader, {}, call.window)
    links = {"chrisinstance": call.links.to("chrisinstance", 1)}
    links |= {relation: call.links.to(name) for relation, name in MAP.items()}
    if call.user is not None:
        links |= {"download_tokens": call.links.to("download-tokens"), "groups": call.links.to("groups")}
        links["user"] = call.links.to("user", call.user.id)
        if call.user.is_staff:
            links["admin"] = call.links.to("admin-plugins")
    return listing(call, SHAPE, rows, links=links, search=SEARCH)


def may_read(call: Call, row: catalog.FeedRow) -> bool:
    return may_read_feed(call.reader, row.feed)


def change(call: Call) -> Answer:
    """Rename a feed, or make it public."""
    row = load(call, SHAPE, catalog.find, may_read)
    if not owns(call.reader, row.feed.owner_id):
        refuse(call)
    given = fields.clean(call.data, FIELDS)
    with call.server.catalog.transaction() as session:
        editing.change_feed(session, row.id, now=call.server.hooks.now(), **given)
        changed = catalog.find(session, row.id)
    return item(call, SHAPE, changed)


def plugin_instances(call: Call) -> Answer:
    row = load(call, SHAPE, catalog.find, may_read)
    rows = instance_lists.of_feed(call.session, row.id, call.window)
    return listing(call, instances.PARTIAL, rows, links={"feed": call.links.to("feed", row.id)})


RESOURCES = (
    Resource("feeds", "", get=root),
    Resource(SEARCH[0], "search/", get=searches(SHAPE, catalog.own, SEARCH[1])),
    Resource("public-feeds", "publicfeeds/", get=lists(SHAPE, catalog.public, search=PUBLIC_SEARCH)),
    Resource(PUBLIC_SEARCH[0], "publicfeeds/search/", get=searches(SHAPE, catalog.public, PUBLIC_SEARCH[1])),
    Resource("feed", "{}/", get=shows(SHAPE, catalog.find, may_read, template=tuple(FIELDS)), put=change),
    Resource("feed-instances", "{}/plugininstances/", get=plugin_instances),
)
