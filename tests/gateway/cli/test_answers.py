from __future__ import annotations

import json

import click
import pytest

from gateway.cli import answers
from gateway.cli.answers import Answer
from gateway.cli.main import cli

PLAIN = {"serve", "completion"}
"""The one does not end, and what the other prints is a script."""


def commands(group: click.Group, path: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        inner = f"{path} {name}".strip()
        found |= commands(command, inner) if isinstance(command, click.Group) else {inner: command}
    return found


@pytest.mark.parametrize("name", sorted(set(commands(cli)) - PLAIN))
def test_every_command_can_answer_in_json(name: str) -> None:
    assert any("--json" in option.opts for option in commands(cli)[name].params)


@pytest.mark.parametrize("name", sorted(commands(cli)))
def test_every_command_says_what_it_is_for(name: str) -> None:
    assert commands(cli)[name].get_short_help_str(200).endswith((".", "OUT [-- ARGUMENTS]", "[-- ARGUMENTS]"))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["plugin", "list", "--json"], True),
        (["--json", "plugin", "list"], True),
        (["run", "pl-x", "folder", "--", "--json"], False),
        (["run", "pl-x", "--json", "--", "--json"], True),
        ([], False),
    ],
)
def test_what_follows_the_dashes_is_the_plugins(words: list[str], wanted: bool) -> None:
    assert answers.wanted(words) is wanted


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer([1], "text"), {"ok": True, "exit_code": 0, "error": None, "result": [1]}),
        (Answer(None, "text", 3, "Why."), {"ok": False, "exit_code": 3, "error": "Why.", "result": None}),
    ],
)
def test_json_has_one_shape(answer: Answer, told: object, capsys: pytest.CaptureFixture[str]) -> None:
    answers.show(answer, as_json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == told
    assert shown.err == ""


def test_people_read_the_text_on_stdout_and_the_fault_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    answers.show(Answer({}, "12", 1, "It failed."), as_json=False)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("12\n", "Error: It failed.\n")
