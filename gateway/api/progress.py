"""What CUBE does not tell of an instance: all that its plugin printed, and when each step was reached."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response

from functions.objects import Missing, ObjectStore
from functions.records import log_key
from gateway.api import instances, renderers
from gateway.api.calls import Call
from gateway.api.media import JSON
from gateway.api.resources import Resource, load
from gateway.catalog.base import milliseconds
from gateway.catalog.instances import PluginInstance
from gateway.catalog.lists import instances as catalog

STEPS = ("queued", "released", "staged", "dispatched", "started", "uploading", "committed", "finished")


def log(call: Call) -> Response:
    """All that the plugin has printed so far, as text; several pods one after the other."""
    instance = load(call, instances.SHAPE, catalog.find, instances.may_read)
    return Response(printed(call, instance), content_type="text/plain; charset=utf-8")


def printed(call: Call, instance: PluginInstance) -> Iterator[bytes] | bytes:
    """The log that was archived; before that, what the running pod has printed; else the end that the catalog has."""
    job, attempt = instance.job or "", instance.attempt or 1
    kept = list(archived(call.server.store, job, attempt, instance.number_of_workers))
    if kept:
        return (chunk for body in kept for chunk in body)
    return call.server.hooks.log(job, attempt) or instance.log_tail.encode()


def archived(store: ObjectStore, job: str, attempt: int, pods: int) -> Iterator[Iterator[bytes]]:
    for index in range(pods):
        try:
            yield store.get(log_key(job, attempt, index)).chunks
        except Missing:
            return


def timeline(call: Call) -> Response:
    """The steps that an instance has reached, in order, in milliseconds since it was asked for."""
    instance = load(call, instances.SHAPE, catalog.find, instances.may_read)
    return Response(renderers.dump(describe(instance)), content_type=JSON.type)


def describe(instance: PluginInstance) -> dict[str, object]:
    asked = milliseconds(instance.start_date)
    marks = [(name, getattr(instance, f"{name}_ms")) for name in STEPS]
    steps = [{"name": name, "ms": max(mark - asked, 0)} for name, mark in marks if mark is not None]
    return {
        "status": instance.status,
        "steps": steps,
        "attempt": instance.attempt,
        "reason": instance.reason,
        "sentence": instance.sentence,
        "exit_code": instance.exit_code,
        "usage": instance.usage,
    }


RESOURCES = (
    Resource("plugin-instance-log", "plugins/instances/{}/log/", get=log, as_text=True),
    Resource("plugin-instance-timeline", "plugins/instances/{}/timeline/", get=timeline, forms=(JSON,)),
)
