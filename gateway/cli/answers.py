"""What a command answers, and the one rule of `--json`.

A command returns an `Answer`; `main` prints it. For people that is its text. With `--json` anywhere before a `--`, it
is one JSON object on stdout, whatever happens, and nothing else:

    {"ok": true, "exit_code": 0, "error": null, "result": ...}      `result` is the command's own; a list stays a list
    {"ok": false, "exit_code": 4, "error": "a sentence", "result": ... or null}

Progress goes to stderr in both cases.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import RenderableType

from gateway.cli import progress

FLAG = "--json"
WIDE = 160


@dataclass(frozen=True)
class Answer:
    """`value` is for programs, `text` for people; `code` is the exit code, and `error` its sentence if it is not 0."""

    value: Any
    text: RenderableType = ""
    code: int = 0
    error: str = ""


class Command(click.Command):
    """A command that can answer in JSON."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(flag())


class Group(click.Group):
    command_class = Command
    group_class = type

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(flag())


def flag() -> click.Option:
    return click.Option([FLAG], is_flag=True, expose_value=False, help="answer in JSON, on stdout")


def wanted(words: Sequence[str]) -> bool:
    """Whether these words of the command line ask for JSON. Those after `--` are a plugin's."""
    own = words[: words.index("--")] if "--" in words else words
    return FLAG in own


def show(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        told = {"ok": not answer.code, "exit_code": answer.code, "error": answer.error or None, "result": answer.value}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    if isinstance(answer.text, str):
        if answer.text:
            click.echo(answer.text, nl=not answer.text.endswith("\n"))
    else:
        console = progress.results  # a table that goes into a file or a pipe is not cut to a terminal's width
        console.print(answer.text, width=None if console.is_terminal else max(console.width, WIDE))
    sys.stdout.flush()
    if answer.error:
        click.echo(f"Error: {answer.error}", err=True)
