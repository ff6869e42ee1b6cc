"""The files of a user: upload, list, search, download, throw away."""

from __future__ import annotations

from flask import Response

from gateway.api import downloads, uploads
from gateway.api.calls import Call
from gateway.api.resources import Access, Answer, Resource, created, gone, lists, load, searches, shows
from gateway.api.shapes import Getter, Shape, To, ToFile, attribute
from gateway.catalog import editing
from gateway.catalog.lists import tree as catalog
from gateway.catalog.tree import File
from gateway.policy import owns

FIELDS: dict[str, Getter] = {
    "id": attribute("id"),
    "creation_date": attribute("created"),
    "fname": attribute("path"),
    "fsize": attribute("size"),
    "public": attribute("public"),
    "owner_username": lambda file: file.owner.username,
}
LINKS = {
    "parent_folder": To("folder", attribute("folder_id")),
    "group_permissions": To("file-group-permissions"),
    "user_permissions": To("file-user-permissions"),
    "owner": To("user", attribute("owner_id")),
}
SHAPE = Shape("UserFile", "user-file", FIELDS, {"file_resource": ToFile("user-file-bytes"), **LINKS})
SEARCH = ("user-file-search", catalog.FILTERS)


def may_read(call: Call, file: File) -> bool:
    """Here everybody finds their own files only; those of others are found by `filebrowser`."""
    return owns(call.reader, file.owner_id)


def upload(call: Call) -> Answer:
    return created(call, SHAPE, uploads.receive(call))


def download(call: Call) -> Response:
    return downloads.send(call, load(call, SHAPE, catalog.find_file, may_read))


def remove(call: Call) -> Answer:
    """Throw a file away: its owner may."""
    file = load(call, SHAPE, catalog.find_file, may_read)
    with call.server.catalog.transaction() as session:
        editing.remove_file(session, file.id, now=call.server.hooks.now())
    return gone()


RESOURCES = (
    Resource(
        "user-files",
        "userfiles/",
        get=lists(SHAPE, catalog.user_files, search=SEARCH, template=("upload_path", "fname")),
        post=upload,
        reading=Access.SIGNED_IN,
    ),
    Resource(
        SEARCH[0], "userfiles/search/", get=searches(SHAPE, catalog.user_files, SEARCH[1]), reading=Access.SIGNED_IN
    ),
    Resource(
        "user-file",
        "userfiles/{}/",
        get=shows(SHAPE, catalog.find_file, may_read, template=("upload_path", "public")),
        delete=remove,
        reading=Access.SIGNED_IN,
    ),
    Resource("user-file-bytes", "userfiles/{}/{}", get=download, reading=Access.SIGNED_IN, as_text=True),
)
