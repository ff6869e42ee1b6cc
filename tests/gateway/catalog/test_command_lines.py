"""Any descriptor, any values: the command line is what the contract says, written out here once more from its text.

Source: plugin-contract.md sections 1, 3 and 4 (CUBE's `pluginjobs.py`, pfcon's `localize_path_args`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.jobs import Request
from functions.records import parse_header
from gateway.catalog import outbox, registration
from gateway.catalog.engine import open_catalog
from gateway.catalog.faults import Faulty
from tests.gateway.catalog.stage import Stage, descriptor
from tests.scale import count

EXAMPLES = count(full=3000, ci=200, fast=60)
UPLOADS = ("home/ann/uploads/one", "home/ann/uploads/two", "home/ann/uploads/c.txt")
NAMES = st.from_regex(r"[a-z][a-zA-Z_]{0,11}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
WHOLE = st.integers(-(10**12), 10**12)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
PATHS = st.lists(st.sampled_from(UPLOADS), min_size=1, max_size=3).map(",".join)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "int": WHOLE,
    "float": FLOAT | st.integers(-1000, 1000),
    "bool": st.booleans(),
    "path": PATHS,
    "unextpath": PATHS,
}
numbers = itertools.count()


@st.composite
def parameters(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A parameter of a descriptor, as `chris_plugin_info` or chrisapp write it."""
    kind = draw(st.sampled_from(sorted(VALUES)))
    raw: dict[str, Any] = {"name": name, "type": kind, "flag": f"--{name}", "short_flag": f"-{name[0]}", "help": "x"}
    raw["optional"] = kind not in ("path", "unextpath") and draw(st.booleans())
    raw["default"] = draw(VALUES[kind]) if raw["optional"] else None
    raw["ui_exposed"] = draw(st.booleans()) if raw["optional"] else True
    if kind == "bool":
        action = draw(st.sampled_from(["store_true", "store_false", None]))
        if action is not None:
            raw["action"] = action
    else:
        raw["action"] = draw(st.sampled_from(["store", None]))
    return raw


@st.composite
def plugins(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(NAMES, max_size=7, unique_by=str.lower))
    raw = descriptor(f"pl-random-{next(numbers)}", draw(st.sampled_from(["fs", "ds", "ts"])))
    raw["parameters"] = [draw(parameters(name)) for name in names]
    raw["execshell"], raw["selfpath"] = (
        draw(st.sampled_from(["python3", "/bin/sh"])),
        draw(st.sampled_from(["/", "/b"])),
    )
    return raw


@st.composite
def orders(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A descriptor, and values for all that is required and for some of what is not."""
    raw = draw(plugins())
    values = {
        one["name"]: draw(VALUES[one["type"]])
        for one in raw["parameters"]
        if not one["optional"] or draw(st.booleans())
    }
    return raw, values


def expected(raw: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """The contract in words: options by type, each as flag and value; then the folders of the plugin's type."""
    words = [raw["execshell"], raw["selfpath"].rstrip("/") + "/" + raw["selfexec"]]
    for kind in ("unextpath", "path", "str", "int", "float", "bool"):
        for one in raw["parameters"]:
            if one["type"] != kind or one["name"] not in values:
                continue  # only what was given is passed: a default is the plugin's own affair
            value = values[one["name"]]
            if kind == "bool":
                switches_off = one.get("action") == "store_false" or ("action" not in one and one["default"] is True)
                if value is not switches_off:
                    words.append(one["flag"])
            elif kind in ("path", "unextpath"):
                words += [one["flag"], "/share/incoming"]  # the plugin never sees a path of ChRIS
            else:
                words += [one["flag"], str(float(value) if kind == "float" else value)]
    if raw["type"] == "ds":
        words.append("/share/incoming")
    return [*words, "/share/outgoing"]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, int]]:
    """A stage on SQLite with a finished instance, and files to name."""
    catalog = open_catalog(f"sqlite:///{tmp_path_factory.mktemp('argv') / 'catalog.db'}")
    stage = Stage(catalog, slots=10**6)
    for path in UPLOADS:
        stage.upload(path if path.endswith(".txt") else f"{path}/file")
    root = stage.run(stage.gen)
    stage.end(root, outputs=[])
    yield stage, root
    catalog.close()


def register(stage: Stage, raw: dict[str, Any]) -> int:
    with stage.catalog.transaction() as session:
        return registration.register_plugin(
            session, raw, compute_resources=["host"], runtime_kind="environment", now=stage.now
        )


def command_of(stage: Stage, instance: int) -> list[str]:
    """The command in the request that was put into the outbox for this instance."""
    job = stage.job(instance)
    with stage.catalog.transaction() as session:
        letters = outbox.next_letters(session, limit=10)
        (body,) = [one.body for one in letters if one.kind == outbox.REQUEST and one.job == job]
        outbox.forget(session, [one.id for one in letters])
    return list(Request.from_dict(parse_header(body)).command)


CHECKED = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@CHECKED
@given(orders())
def test_the_command_line_is_what_the_contract_says(
    played: tuple[Stage, int], order: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    stage, root = played
    raw, values = order
    instance = stage.run(register(stage, raw), previous=root, parameters=values)
    assert command_of(stage, instance) == expected(raw, values)


@CHECKED
@given(orders(), st.data())
def test_what_is_missing_is_told_by_its_name_and_what_is_wrong_as_value(
    played: tuple[Stage, int], order: tuple[dict[str, Any], dict[str, Any]], data: st.DataObject
) -> None:
    stage, root = played
    raw, values = order
    wrong: dict[str, Any] = {"int": "1.5", "float": "nan", "bool": "perhaps", "path": "home/bob/x", "unextpath": "/"}
    wrong["str"] = "x" * 601
    missing, bad = set(), 0
    for one in raw["parameters"]:
        fate = data.draw(st.sampled_from(["right", "missing", "wrong"]))
        if fate == "missing":
            values.pop(one["name"], None)
            missing |= set() if one["optional"] else {one["name"]}
        elif fate == "wrong":
            values[one["name"]] = wrong[one["type"]]
            bad += 1
    plugin = register(stage, raw)
    if not missing and not bad:
        return
    with pytest.raises(Faulty) as caught:
        stage.run(plugin, previous=root, parameters=values)
    assert set(caught.value.faults) == missing | ({"value"} if bad else set())
    assert len(caught.value.faults.get("value", [])) == bad
    assert all(caught.value.faults[name] == ["This field is required."] for name in missing)
