"""Compute resources: the named targets of jobs. Where they are is nobody's business who has not signed in."""

from __future__ import annotations

from gateway.api.resources import Resource, lists, searches, shows
from gateway.api.shapes import Shape, attribute, attributes, constant
from gateway.catalog.lists import plugins as catalog

SHAPE = Shape(
    "ComputeResource",
    "compute-resource",
    {
        **attributes("id"),
        "creation_date": attribute("created"),
        "modification_date": attribute("modified"),
        **attributes("name", "compute_url", "compute_auth_url"),
        "compute_innetwork": constant(True),
        "compute_requires_copy_job": constant(False),
        "compute_requires_upload_job": constant(False),
        **attributes("description", "max_job_exec_seconds"),
    },
    private=frozenset({"compute_url", "compute_auth_url"}),
)
SEARCH = ("compute-resource-search", catalog.RESOURCE_FILTERS)

RESOURCES = (
    Resource(
        "compute-resources",
        "computeresources/",
        get=lists(SHAPE, catalog.resources, links={"feeds": "feeds"}, search=SEARCH),
    ),
    Resource(SEARCH[0], "computeresources/search/", get=searches(SHAPE, catalog.resources, SEARCH[1])),
    Resource("compute-resource", "computeresources/{}/", get=shows(SHAPE, catalog.find_resource)),
)
