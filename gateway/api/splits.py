"""Splits of the outputs of an instance: one instance of `pl-topologicalcopy` for each filter."""

from __future__ import annotations

from gateway.api import fields, instances
from gateway.api.calls import Call
from gateway.api.errors import Forbidden
from gateway.api.fields import Field
from gateway.api.resources import Access, Answer, Resource, created, listing, load, shows
from gateway.api.shapes import Shape, To, attribute, attributes
from gateway.catalog import splits
from gateway.catalog.faults import Denied
from gateway.catalog.instances import Split
from gateway.catalog.lists import instances as instance_lists
from gateway.catalog.lists import splits as catalog
from gateway.policy import may_read_feed

SHAPE = Shape(
    "PluginInstanceSplit",
    "plugin-instance-split",
    {
        **attributes("id"),
        "creation_date": attribute("created"),
        **attributes("filter"),
        "plugin_inst_id": attribute("instance_id"),
        "created_plugin_inst_ids": attribute("created_ids"),
    },
    {"plugin_inst": To("plugin-instance", attribute("instance_id"))},
)
SENT = {
    "filter": Field(fields.text(most=splits.LONGEST, blank=True)),
    "compute_resource_name": Field(fields.text(most=100, blank=True)),
}


def may_read(call: Call, split: Split) -> bool:
    return may_read_feed(call.reader, split.instance.feed)


def of_instance(call: Call) -> Answer:
    """The splits of an instance, and what can be sent to make one."""
    instance = load(call, instances.SHAPE, instance_lists.find, instances.may_read)
    links = {"plugin_inst": call.links.to("plugin-instance", instance.id)}
    rows = catalog.of_instance(call.session, instance.id, call.window)
    return listing(call, SHAPE, rows, links=links, template=tuple(SENT))


def create(call: Call) -> Answer:
    """Split the outputs of an instance."""
    instance = load(call, instances.SHAPE, instance_lists.find, instances.may_read)
    given = fields.clean(call.data, SENT)
    try:
        with call.server.catalog.transaction() as session:
            number = splits.split(
                session,
                call.somebody,
                instance.id,
                filters=given.get("filter", ""),
                compute_resource=given.get("compute_resource_name") or None,
                now=call.server.hooks.now(),
            )
            split = catalog.find(session, number)
    except Denied as error:
        raise Forbidden from error
    return created(call, SHAPE, split)


RESOURCES = (
    Resource(
        "plugin-instance-splits",
        "plugins/instances/{}/splits/",
        get=of_instance,
        post=create,
        reading=Access.SIGNED_IN,
    ),
    Resource(
        "plugin-instance-split",
        "plugins/instances/splits/{}/",
        get=shows(SHAPE, catalog.find, may_read),
        reading=Access.SIGNED_IN,
    ),
)
