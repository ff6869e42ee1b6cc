"""The command line and environment of a plugin: what CUBE's plugins have always been given. Pure.

Source: `shared/plugin-contract.md` sections 3, 4 and 6 (`services/pluginjobs.py` of CUBE).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

INCOMING, OUTGOING = "/share/incoming", "/share/outgoing"
TYPES = ("unextpath", "path", "string", "integer", "float", "boolean")
"""The types of parameters, in the order in which they come on a command line."""
PATHS = ("unextpath", "path")
JOB_PREFIX = "chris-jid-"


@dataclass(frozen=True)
class Program:
    """How a plugin is called. `type` is fs, ds or ts; a missing `execshell` or `selfpath` is left out."""

    type: str
    execshell: str
    selfpath: str
    selfexec: str


@dataclass(frozen=True)
class Given:
    """A parameter that was given, with its value; `type` is one of `TYPES`, `action` store, store_true, store_false."""

    type: str
    flag: str
    action: str
    value: Any


def command(program: Program, given: Iterable[Given]) -> tuple[str, ...]:
    """The whole command: interpreter, program, arguments by type, and the folders as the plugin sees them.

    ts plugins get the outgoing folder alone: the images in use accept no other (plugin-contract.md section 1).
    """
    start = [program.execshell, posixpath.join(program.selfpath, program.selfexec)]
    folders = [INCOMING, OUTGOING] if program.type == "ds" else [OUTGOING]
    ordered = sorted(given, key=lambda one: TYPES.index(one.type))
    return tuple([word for word in start if word] + [word for one in ordered for word in tokens(one)] + folders)


def tokens(given: Given) -> list[str]:
    """The words of one parameter. The plugin never sees a path of the catalog: it finds its files in `INCOMING`."""
    if given.action == "store_true":
        return [given.flag] if given.value else []
    if given.action == "store_false":
        return [] if given.value else [given.flag]
    return [given.flag, INCOMING if given.type in PATHS else str(given.value)]


def environment(*, instance: int, username: str, email: str, previous: int | None = None) -> dict[str, str]:
    """The variables that ChRIS plugins know. The token is empty: no plugin acts as its user (design section 6)."""
    variables = {
        "CHRIS_JID": f"{JOB_PREFIX}{instance}",
        "CHRIS_PLG_INST_ID": str(instance),
        "CHRIS_USER_USERNAME": username,
        "CHRIS_USER_EMAIL": email,
        "CHRIS_USER_TOKEN": "",
        "HOME": "/tmp",
    }
    if previous is not None:
        variables |= {"CHRIS_PREV_PLG_INST_ID": str(previous), "CHRIS_PREV_JID": f"{JOB_PREFIX}{previous}"}
    return variables
