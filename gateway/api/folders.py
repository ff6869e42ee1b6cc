"""The file browser: folders, what lies in them, and how to find one by its path."""

from __future__ import annotations

from typing import Any

from gateway.api import fields, files
from gateway.api.calls import Call
from gateway.api.fields import Field
from gateway.api.resources import Answer, Resource, created, listing, lists, load, shows
from gateway.api.shapes import Shape, To, attribute, constant
from gateway.catalog import editing
from gateway.catalog.lists import tree as catalog
from gateway.catalog.lists.rows import Filters, equal
from gateway.catalog.tree import Folder

SHAPE = Shape(
    "ChrisFolder",
    "folder",
    {
        "id": attribute("id"),
        "creation_date": attribute("created"),
        "path": attribute("path"),
        "public": attribute("public"),
        "owner_username": lambda folder: folder.owner.username,
        "deletion_status": constant("none"),
        "deletion_requested_at": constant(None),
        "deletion_error": constant(""),
    },
    {
        "parent": To("folder", attribute("parent_id")),
        "children": To("folder-children"),
        "files": To("folder-files"),
        "link_files": To("folder-link-files"),
        "group_permissions": To("folder-group-permissions"),
        "user_permissions": To("folder-user-permissions"),
        "owner": To("user", attribute("owner_id")),
    },
)
FILTERS: Filters = {"id": equal(Folder.id, "number"), "path": equal(Folder.path)}
SEARCH = ("folder-search", FILTERS)
NEW = {"path": Field(fields.text(most=1024), required=True)}


def search(call: Call) -> Answer:
    """The one folder with this id or path; without either, the root."""
    given = call.wanted(FILTERS)
    rows = catalog.folder_at(call.session, call.reader, path=given.get("path"), number=given.get("id"))
    return listing(call, SHAPE, rows)


def may_read(call: Call, folder: Folder) -> bool:
    return catalog.may_read_folder(call.session, call.reader, folder)


def make(call: Call) -> Answer:
    """A new folder, with those above it that are missing."""
    path = fields.clean(call.data, NEW)["path"]
    with call.server.catalog.transaction() as session:
        number = editing.make_folder(session, path, call.somebody, now=call.server.hooks.now())
        folder = catalog.find_folder(session, number)
    return created(call, SHAPE, folder)


def children(call: Call) -> Answer:
    folder = load(call, SHAPE, catalog.find_folder, may_read)
    rows = catalog.children(call.session, call.reader, folder.id, call.window)
    return listing(call, SHAPE, rows, links=back(call, folder))


def files_in(call: Call) -> Answer:
    folder = load(call, SHAPE, catalog.find_folder, may_read)
    rows = catalog.files_in(call.session, call.reader, folder.id, call.window)
    return listing(call, files.SHAPE, rows, links=back(call, folder))


def back(call: Call, folder: Any) -> dict[str, str]:
    return {"folder": call.links.to("folder", folder.id)}


RESOURCES = (
    Resource("folders", "filebrowser/", get=lists(SHAPE, catalog.root, search=SEARCH, template=("path",)), post=make),
    Resource(SEARCH[0], "filebrowser/search/", get=search),
    Resource("folder", "filebrowser/{}/", get=shows(SHAPE, catalog.find_folder, may_read, template=("public", "path"))),
    Resource("folder-children", "filebrowser/{}/children/", get=children),
    Resource("folder-files", "filebrowser/{}/files/", get=files_in),
)
