"""Plugins as administrators see them: register one from its descriptor, or install it on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.api import fields, parsers, plugins
from gateway.api.calls import Call
from gateway.api.errors import REQUIRED, Invalid, NotFound, Unreadable
from gateway.api.fields import Field
from gateway.api.multipart import FilePart, read_parts
from gateway.api.resources import Access, Answer, Resource, created, lists, shows
from gateway.api.shapes import Shape, To, attribute
from gateway.catalog import registration
from gateway.catalog.lists import plugins as catalog

ROOT = "/chris-admin/api/v1/"
TEMPLATE = ("compute_names", "fname", "plugin_store_url")
DESCRIPTOR_BYTES = 1024 * 1024
SOURCE = {"source": Field(fields.text(most=1000), required=True)}
SHAPE = Shape(
    "Plugin",
    "admin-plugin",
    plugins.FIELDS,
    {
        "meta": To("plugin-meta", attribute("meta_id")),
        "parameters": To("plugin-parameters"),
        "instances": To("plugin-instances-of"),
        "compute_resources": To("plugin-compute-resources"),
    },
)


def register(call: Call) -> Answer:
    """Register a plugin from the descriptor in the file `fname`, on the compute resources in `compute_names`."""
    given, descriptor = read_descriptor(call)
    names = [name.strip() for name in given.get("compute_names", "").split(",") if name.strip()]
    if not names:
        raise Invalid(compute_names=REQUIRED)
    with call.server.catalog.transaction() as session:
        number = registration.register_plugin(
            session, descriptor, compute_resources=names, runtime_kind="image", now=call.server.hooks.now()
        )
        plugin = catalog.find_plugin(session, number)
    return created(call, SHAPE, plugin)


def read_descriptor(call: Call) -> tuple[dict[str, str], Mapping[str, Any]]:
    """The text fields of the form, and the descriptor in its file."""
    if parsers.media_type(call.request.content_type or "") != parsers.MULTIPART:
        raise Invalid(fname=REQUIRED)
    given: dict[str, str] = {}
    body = b""
    for part in read_parts(call.request.stream, call.request.content_type or ""):
        if isinstance(part, tuple):
            given[part[0]] = part[1]
        elif part.field == "fname":
            body = read_all(part)
    if not body:
        raise Invalid(fname=REQUIRED)
    try:
        return given, parsers.require_object(parsers.parse_json(body))
    except Unreadable as error:
        raise Invalid(fname=f"Could not read the descriptor: {error.sentence}") from error


def read_all(part: FilePart) -> bytes:
    body = b""
    while chunk := part.read(DESCRIPTOR_BYTES):
        body += chunk
        if len(body) > DESCRIPTOR_BYTES:
            raise Invalid(fname=f"A descriptor has at most {DESCRIPTOR_BYTES} bytes.")
    return body


def install(call: Call) -> Answer:
    """Install a plugin from a folder of this machine or a pip requirement, and register it."""
    if call.server.hooks.install is None:
        raise NotFound("This server does not install plugins: register one from its descriptor.")
    number = call.server.hooks.install(fields.clean(call.data, SOURCE)["source"])
    call.session.close()
    return created(call, plugins.SHAPE, catalog.find_plugin(call.session, number))


RESOURCES = (
    Resource(
        "admin-plugins",
        "",
        get=lists(SHAPE, catalog.plugins, links={"feeds": "feeds"}, template=TEMPLATE),
        post=register,
        reading=Access.STAFF,
        writing=Access.STAFF,
        root=ROOT,
    ),
    Resource(
        "admin-plugin",
        "{}/",
        get=shows(SHAPE, catalog.find_plugin, template=("compute_names",)),
        reading=Access.STAFF,
        writing=Access.STAFF,
        root=ROOT,
    ),
    Resource("plugin-install", "plugins/install/", post=install, reading=Access.STAFF, writing=Access.STAFF),
)
