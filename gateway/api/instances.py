"""Plugin instances: create, look at, cancel; their family, parameters, log and timeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.api import fields, plugins
from gateway.api.calls import Call
from gateway.api.errors import Invalid
from gateway.api.fields import Field
from gateway.api.resources import (
    Access,
    Answer,
    Resource,
    created,
    item,
    listing,
    lists,
    load,
    refuse,
    searches,
    shows,
)
from gateway.api.shapes import Getter, Shape, To, attribute, attributes, constant
from gateway.catalog import cancellation, editing, states, submission
from gateway.catalog.faults import Denied
from gateway.catalog.instances import PluginInstance
from gateway.catalog.lists import instances as catalog
from gateway.catalog.lists import plugins as plugin_lists
from gateway.policy import may_read_feed, owns

LIMITS = ("cpu_limit", "memory_limit", "number_of_workers", "gpu_limit")
SENT = ("title", "compute_resource_name", "previous_id", *LIMITS)
"""What a client sends beside the parameters of the plugin."""
LOG_TAIL = 1800


def summary(instance: PluginInstance) -> str:
    """CUBE's account of a run, as JSON in a string: its inputs are there, it was sent out, it is back, and how."""
    # A copy of references is done without being sent out.
    out = instance.dispatched_ms is not None or instance.status == states.FINISHED
    words = {states.FINISHED: states.FINISHED, states.FAILED: states.FAILED, states.CANCELLED: "undefined"}
    returned = {
        "status": instance.committed_ms is not None or states.is_final(instance.status),
        "job_status": words.get(instance.status, "started" if instance.started_ms else "notStarted" if out else ""),
        "job_logs": "\n".join(text for text in (instance.log_tail.rstrip("\n"), instance.sentence) if text)[-LOG_TAIL:],
    }
    return json.dumps(
        {
            "pushPath": {"status": out},
            "pullPath": {"status": instance.status == states.FINISHED},
            "compute": {"submit": {"status": out}, "return": returned},
        }
    )


def of_plugin(name: str) -> Getter:
    return lambda row: getattr(row.plugin, name)


HEAD: dict[str, Getter] = {
    **attributes("id", "title", "previous_id"),
    "compute_resource_name": lambda row: row.compute_resource.name if row.compute_resource else None,
    "plugin_id": attribute("plugin_id"),
    "plugin_name": lambda row: row.plugin.meta.name,
    "plugin_version": of_plugin("version"),
    "plugin_type": lambda row: row.plugin.meta.type,
    **attributes("feed_id", "start_date", "end_date"),
    "output_path": lambda row: row.output_folder.path if row.output_folder else None,
    "status": attribute("status"),
    "active": lambda row: not states.is_final(row.status),
}
TAIL: dict[str, Getter] = {
    "owner_username": lambda row: row.owner.username,
    **attributes(*LIMITS, "size", "error_code", "deletion_status"),
}
OMITTED = frozenset({"previous_id", "pipeline_id", "pipeline_name", "workflow_id", "compute_resource_name"})
FOLDER = {"output_folder": To("folder", attribute("output_folder_id"))}
SHAPE = Shape(
    "PluginInstance",
    "plugin-instance",
    {
        **HEAD,
        "pipeline_id": constant(None),
        "pipeline_name": constant(None),
        "workflow_id": attribute("workflow_id"),
        "summary": summary,
        "raw": constant(""),
        **TAIL,
        **attributes("deletion_requested_at", "deletion_error"),
    },
    {
        "previous": To("plugin-instance", attribute("previous_id")),
        **FOLDER,
        "feed": To("feed", attribute("feed_id")),
        "plugin": To("plugin", attribute("plugin_id")),
        "workflow": To("workflow", attribute("workflow_id")),
        "compute_resource": To("compute-resource", attribute("compute_resource_id")),
        "descendants": To("plugin-instance-descendants"),
        "parameters": To("plugin-instance-parameters"),
        "splits": To("plugin-instance-splits"),
    },
    OMITTED,
)
PARTIAL = Shape("PluginInstance", "plugin-instance", {**HEAD, **TAIL, **attributes("deletion_error")}, FOLDER, OMITTED)
SEARCH = ("plugin-instance-search", catalog.FILTERS)
CHANGES = {
    "title": Field(fields.text(most=100, blank=True)),
    "status": Field(fields.text(most=30)),
}


def may_read(call: Call, instance: PluginInstance) -> bool:
    return may_read_feed(call.reader, instance.feed)


def of_the_plugin(call: Call) -> Answer:
    """The reader's own instances of a plugin, and what can be sent to make one."""
    plugin = load(call, plugins.SHAPE, plugin_lists.find_plugin)
    rows = catalog.of_plugin(call.session, call.reader, plugin.id, call.window)
    template = (*SENT, *plugin_lists.parameter_names(call.session, plugin.id))
    links = {**plugins.back(call, plugin), "compute_resources": call.links.to("plugin-compute-resources", plugin.id)}
    return listing(call, SHAPE, rows, links=links, template=template)


def create(call: Call) -> Answer:
    """Run a plugin."""
    order = read_order(call.number, call.data)
    try:
        with call.server.catalog.transaction() as session:
            number = submission.submit(session, call.somebody, order, now=call.server.hooks.now())
            instance = catalog.find(session, number)
    except Denied as error:
        # CUBE tells this as a fault of the field.
        sentence = f"Not allowed to write to feed for previous instance with id {order.previous_id}."
        raise Invalid(previous_id=sentence) from error
    return created(call, SHAPE, instance)


def read_order(plugin: int, data: Mapping[str, Any]) -> submission.Order:
    """What a client sent as an order. A parameter of the plugin may have any name."""
    return submission.Order(
        plugin_id=plugin,
        parameters=data,
        previous_id=read_previous(data.get("previous_id")),
        title=fields.clean({"title": data.get("title") or ""}, {"title": CHANGES["title"]})["title"],
        compute_resource_name=str(data.get("compute_resource_name") or "") or None,
        **{name: data.get(name) for name in LIMITS},
    )


def read_previous(value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        return fields.integer(value)
    except ValueError as error:
        sentence = f"Couldn't find any 'previous' plugin instance with id {value}."
        raise Invalid(previous_id=sentence) from error


def change(call: Call) -> Answer:
    """Give a title, or cancel."""
    instance = load(call, SHAPE, catalog.find, may_read)
    if not owns(call.reader, instance.owner_id):
        refuse(call)
    given = fields.clean(call.data, CHANGES)
    check_status(instance.status, given.get("status"))
    with call.server.catalog.transaction() as session:
        if "title" in given:
            editing.name_instance(session, instance.id, given["title"])
        if "status" in given:
            cancellation.ask_cancel(session, instance.id, now=call.server.hooks.now())
        changed = catalog.find(session, instance.id)
    return item(call, SHAPE, changed)


def check_status(status: str, asked: str | None) -> None:
    """The one status that a client may ask for is `cancelled`, before the end."""
    if asked is not None and (asked != states.CANCELLED or status in (states.FINISHED, states.FAILED)):
        raise Invalid(status=f"Can not change status from '{status}' to '{asked}'.")


def descendants(call: Call) -> Answer:
    """The instance itself and all that follow it."""
    instance = load(call, SHAPE, catalog.find, may_read)
    return listing(call, SHAPE, catalog.descendants(call.session, instance.id, call.window))


RESOURCES = (
    Resource(
        "plugin-instances-of",
        "plugins/{}/instances/",
        get=of_the_plugin,
        post=create,
        reading=Access.SIGNED_IN,
    ),
    Resource(
        "plugin-instances",
        "plugins/instances/",
        get=lists(SHAPE, catalog.readable, links={"plugins": "plugins"}, search=SEARCH),
    ),
    Resource(SEARCH[0], "plugins/instances/search/", get=searches(SHAPE, catalog.readable, SEARCH[1])),
    Resource(
        "plugin-instance",
        "plugins/instances/{}/",
        get=shows(SHAPE, catalog.find, may_read, template=tuple(CHANGES)),
        put=change,
    ),
    Resource("plugin-instance-descendants", "plugins/instances/{}/descendants/", get=descendants),
)
