"""The parameters that an instance was given, by type as CUBE keeps them."""

from __future__ import annotations

from typing import Any

from gateway.api import instances
from gateway.api.calls import Call
from gateway.api.links import Links
from gateway.api.resources import Answer, Find, Resource, listing, load, shows
from gateway.api.shapes import Shape, To, attribute
from gateway.arguments import TYPES
from gateway.catalog.instances import ParameterValue
from gateway.catalog.lists import instances as catalog
from gateway.policy import may_read_feed


class TypedShape(Shape):
    """A parameter's own address tells its type."""

    def address(self, row: Any, links: Links) -> str:
        return links.to(name_of(row.type), row.id)


def name_of(kind: str) -> str:
    return f"{kind}-parameter"


SHAPE = TypedShape(
    "Parameter",
    "",
    {
        "id": attribute("id"),
        "param_name": lambda row: row.parameter.name,
        "value": attribute("value"),
        "type": attribute("type"),
    },
    {
        "plugin_inst": To("plugin-instance", attribute("instance_id")),
        "plugin_param": To("plugin-parameter", attribute("parameter_id")),
    },
)


def given(call: Call) -> Answer:
    instance = load(call, instances.SHAPE, catalog.find, instances.may_read)
    return listing(call, SHAPE, catalog.values(call.session, instance.id, call.window))


def may_read(call: Call, value: ParameterValue) -> bool:
    return may_read_feed(call.reader, value.instance.feed)


def find(kind: str) -> Find:
    return lambda session, number: catalog.find_value(session, kind, number)


RESOURCES = (
    Resource("plugin-instance-parameters", "plugins/instances/{}/parameters/", get=given),
    *(
        Resource(name_of(kind), f"plugins/{kind}-parameter/{{}}/", get=shows(SHAPE, find(kind), may_read))
        for kind in TYPES
    ),
)
