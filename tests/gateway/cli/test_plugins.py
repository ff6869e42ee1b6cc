from __future__ import annotations

from typing import Any

import click
import pytest

from gateway.cli import plugins


def parameter(name: str, kind: str, action: str = "store") -> dict[str, Any]:
    return {"name": name, "type": kind, "flag": f"--{name}", "short_flag": f"-{name[0]}", "action": action}


KNOWN = [
    parameter("text", "string"),
    parameter("count", "integer"),
    parameter("share", "float"),
    parameter("yes", "boolean", "store_true"),
    parameter("no", "boolean", "store_false"),
    parameter("folder", "path"),
]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ((), {}),
        (("--text", "a b"), {"text": "a b"}),
        (("--text=a=b",), {"text": "a=b"}),
        (("--text", "--count"), {"text": "--count"}),
        (("--count", "-3", "-s", "1e-3"), {"count": -3, "share": 0.001}),
        (("-y", "-n"), {"yes": True, "no": False}),
        (("--folder", "home/x/uploads/y"), {"folder": "home/x/uploads/y"}),
    ],
)
def test_arguments_become_parameters_of_the_request(words: tuple[str, ...], given: dict[str, Any]) -> None:
    assert plugins.parse(KNOWN, words) == given


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--texts", "x"), "takes no '--texts'; it takes: --count"),
        (("--text",), "--text needs a value"),
        (("--count", "many"), "takes a number \\(integer\\), not 'many'"),
        (("loose",), "takes no 'loose'"),
    ],
)
def test_what_the_plugin_does_not_take_is_refused_here(words: tuple[str, ...], reason: str) -> None:
    with pytest.raises(click.UsageError, match=reason):
        plugins.parse(KNOWN, words)


def test_versions_are_ordered_as_numbers() -> None:
    assert max(["1.9", "1.10", "1.2.3"], key=plugins.ordinal) == "1.10"


def test_a_folder_goes_to_the_one_path_parameter() -> None:
    assert plugins.path_parameter(KNOWN) == "folder"
    assert plugins.path_parameter([*KNOWN, parameter("dir", "unextpath")]) is None
    assert plugins.path_parameter(KNOWN[:2]) is None
