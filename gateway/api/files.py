"""Files as the file browser shows them: one's own, and those that may be read."""

from __future__ import annotations

from flask import Response

from gateway.api import downloads, userfiles
from gateway.api.calls import Call
from gateway.api.resources import Resource, load, shows
from gateway.api.shapes import Shape, ToFile
from gateway.catalog.lists import tree as catalog
from gateway.catalog.tree import File

SHAPE = Shape("ChrisFile", "file", userfiles.FIELDS, {"file_resource": ToFile("file-bytes"), **userfiles.LINKS})


def may_read(call: Call, file: File) -> bool:
    return catalog.may_read_file(call.session, call.reader, file)


def download(call: Call) -> Response:
    return downloads.send(call, load(call, SHAPE, catalog.find_file, may_read))


RESOURCES = (
    Resource(
        "file",
        "filebrowser/files/{}/",
        get=shows(SHAPE, catalog.find_file, may_read, template=("public", "new_file_path")),
        delete=userfiles.remove,
    ),
    Resource("file-bytes", "filebrowser/files/{}/{}", get=download, as_text=True),
)
