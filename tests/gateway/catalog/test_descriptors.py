"""Descriptors under CUBE's rules: what is right is kept, what is wrong is told, all at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog.descriptors import RANGES, Descriptor, parse
from gateway.catalog.faults import Faulty
from gateway.catalog.plugins import UNLIMITED
from tests.gateway.catalog.stage import descriptor, parameter


def wrong(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(Faulty) as refused:
        parse(descriptor("pl-x", **fields))
    return refused.value.faults


def one(**fields: Any) -> Any:
    (found,) = parse(descriptor("pl-x", parameters=[parameter("p", **fields)])).parameters
    return found


def test_what_is_not_said_is_cubes_default() -> None:
    found = parse(descriptor("pl-x"))
    assert found.limits == {
        "min_number_of_workers": 1,
        "max_number_of_workers": UNLIMITED,
        "min_cpu_limit": 1000,
        "max_cpu_limit": UNLIMITED,
        "min_memory_limit": 200,
        "max_memory_limit": UNLIMITED,
        "min_gpu_limit": 0,
        "max_gpu_limit": 0,
    }
    assert parse({key: value for key, value in descriptor("pl-x").items() if key != "type"}).type == "ds"


def test_limits_are_read_with_their_units_and_empty_means_absent() -> None:
    found = parse(
        descriptor("pl-x", min_cpu_limit="2000m", max_cpu_limit="", min_memory_limit="1Gi", max_memory_limit="4096Mi")
    )
    assert (found.limits["min_cpu_limit"], found.limits["max_cpu_limit"]) == (2000, UNLIMITED)
    assert (found.limits["min_memory_limit"], found.limits["max_memory_limit"]) == (1024, 4096)


def test_a_plugin_that_needs_a_gpu_may_have_any_number() -> None:
    assert parse(descriptor("pl-x", min_gpu_limit=1)).limits["max_gpu_limit"] == UNLIMITED
    assert parse(descriptor("pl-x", min_gpu_limit=1, max_gpu_limit=2)).limits["max_gpu_limit"] == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "../b"}, "name"),
        ({"version": "1.0-rc"}, "version"),
        ({"version": "1.2.3.4.5.6"}, "version"),
        ({"version": 1}, "version"),
        ({"type": "xs"}, "type"),
        ({"selfexec": None}, "selfexec"),
        ({"dock_image": "x" * 501}, "dock_image"),
        ({"title": 5}, "title"),
        ({"min_cpu_limit": 2000, "max_cpu_limit": 1000}, "max_cpu_limit"),
        ({"min_number_of_workers": 0}, "min_number_of_workers"),
        ({"min_memory_limit": "1TB"}, "min_memory_limit"),
        ({"parameters": None}, "parameters"),
        ({"parameters": [1]}, "parameters"),
        ({"parameters": [parameter("p", "str"), parameter("p", "int", flag="--q")]}, "parameters"),
        ({"parameters": [parameter("p", "str"), parameter("q", "int", flag="--p")]}, "parameters"),
        ({"parameters": [parameter("p", "text")]}, "parameters"),
        ({"parameters": [parameter("p", "path", optional=True, default="x")]}, "parameters"),
        ({"parameters": [parameter("p", "int", optional=True)]}, "parameters"),
        ({"parameters": [parameter("p", "int", optional=True, default="x")]}, "parameters"),
        ({"parameters": [parameter("p", "bool", optional=True, default="yes")]}, "parameters"),
        ({"parameters": [parameter("p", "str", ui_exposed=False)]}, "parameters"),
        ({"parameters": [parameter("p", "str", action="append")]}, "parameters"),
        ({"parameters": [parameter("p", "str", optional=True, default="x" * 601)]}, "parameters"),
    ],
)
def test_what_cube_refuses_is_refused(fields: dict[str, Any], field: str) -> None:
    assert set(wrong(**fields)) == {field}


def test_all_faults_are_told_at_once() -> None:
    found = wrong(version="x", selfpath="", min_cpu_limit="?", parameters=[parameter("a", "?"), parameter("b", "!")])
    assert set(found) == {"version", "selfpath", "min_cpu_limit", "parameters"}
    assert len(found["parameters"]) == 2


@pytest.mark.parametrize(
    ("said", "kept"),
    [("str", "string"), ("int", "integer"), ("float", "float"), ("path", "path"), ("unextpath", "unextpath")],
)
def test_types_get_the_names_of_the_api(said: str, kept: str) -> None:
    assert one(kind=said).type == kept


def test_a_switch_without_an_action_turns_its_default_around() -> None:
    assert one(kind="bool", optional=True, default=False, action=None).action == "store_true"
    assert one(kind="bool", optional=True, default=True, action=None).action == "store_false"


def test_the_placeholders_of_chris_plugin_are_defaults() -> None:
    for kind, default in (("int", -1), ("float", 0.0), ("str", ""), ("bool", False)):
        assert one(kind=kind, optional=True, default=default).default == default


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [*descriptor("pl-x"), "title", "icon", *(f"{end}_{name}" for name in RANGES for end in ("min", "max"))]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), JSON)
def test_any_json_is_a_descriptor_or_has_its_faults_told(fields: dict[str, Any], odd: Any) -> None:
    raw = descriptor("pl-x", parameters=[parameter("p", "str", default=odd), odd]) | fields
    try:
        found = parse(json.loads(json.dumps(raw)))
    except Faulty as error:
        assert error.faults
        assert all(error.faults.values())
    else:
        assert isinstance(found, Descriptor)
