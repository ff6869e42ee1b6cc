"""`dead-letters`: events that the broker gave up."""

from __future__ import annotations

import click

from gateway.cli.answers import Answer, Group
from gateway.cli.sessions import connect


@click.group("dead-letters", cls=Group)
def letters_group() -> None:
    """Events that were given up: what they were, why, and again."""


@letters_group.command("list")
def list_letters() -> Answer:
    """One line each: number, function, event, type, last answer and its body."""
    letters = list(connect().pages("deadletters/"))
    return Answer(letters, "\n".join("\t".join(map(str, letter.values())) for letter in letters))


@letters_group.command("replay")
@click.argument("numbers", nargs=-1, type=int)
def replay(numbers: tuple[int, ...]) -> Answer:
    """Deliver dead letters again: those given, else all."""
    answer = connect().post("deadletters/replay/", {"ids": list(numbers)} if numbers else {})
    return Answer(answer, f"{answer['replayed']} sent again")
