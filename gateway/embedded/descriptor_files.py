"""Plugins by their descriptor alone: a JSON file that names a program, which must be on this machine already.

The program is looked for in the environments that are installed, then where the descriptor says, then among the
commands of the machine. A file that `chrisapp` has saved (`--savejson`) lacks a name and an image: both are made up.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from functions.errors import Permanent

SUFFIX = ".json"
LARGEST = 1 << 20
COMMANDS = "/usr/local/bin:/usr/bin:/bin"
"""Where a sandbox has the machine's commands."""
SHOWN = tuple(Path(root) for root in ("/usr", "/bin", "/sbin", "/lib", "/lib64"))

Installed = tuple[Path, str, str]
"""Folder, name and version of an environment."""


def read(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises Permanent."""
    try:
        with open(file, "rb") as opened:
            body = opened.read(LARGEST + 1)
        value = json.loads(body)
    except OSError as error:
        raise Permanent(f"The descriptor {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Permanent(f"The descriptor {file} is no JSON: {error}.") from error
    if len(body) > LARGEST or not isinstance(value, dict):
        raise Permanent(f"The descriptor {file} is no JSON object of at most {LARGEST} bytes.")
    return value


def locate(
    given: dict[str, Any], file: Path, installed: Iterable[Installed], *, hidden: Sequence[Path]
) -> tuple[Path, dict[str, Any]]:
    """The folder that a sandbox must show for this descriptor, and the descriptor with its program's place.

    Raises Permanent if the program is not here. `hidden`: folders that no sandbox may show.
    """
    told = _named(given)
    for folder, _, version in sorted(installed, key=lambda one: one[1] != told["name"]):
        if version == told.get("version") and (folder / "bin" / told["selfexec"]).is_file():
            return folder, {**told, "selfpath": str(folder / "bin"), "execshell": "python"}
    program = _program(told, file)
    folder = program.parent
    place = Path(os.path.realpath(folder.parent if folder.name in ("bin", "sbin") else folder))
    if any(place == one or place in one.parents for one in hidden):
        raise Permanent(
            f"The program {program} lies in {place}, which holds more than plugins may see. "
            "Move it into a folder of its own, and name that in the descriptor's selfpath."
        )
    shell = _shell(str(told.get("execshell") or ""), place, file)
    return place, {**told, "selfpath": str(folder), "selfexec": program.name, "execshell": shell}


def _named(given: dict[str, Any]) -> dict[str, Any]:
    """With what `chrisapp` leaves out. Raises Permanent if no program is named."""
    program = given.get("selfexec")
    if not isinstance(program, str) or not program.strip() or "/" in program:
        raise Permanent("The descriptor names no program: it needs `selfexec`, `selfpath` and `execshell`.")
    told = {name: value for name, value in given.items() if value is not None}
    told.setdefault("name", Path(program).stem)
    told.setdefault("dock_image", f"localhost/{str(told['name']).lower()}:{told.get('version', '')}")
    return told


def _program(told: dict[str, Any], file: Path) -> Path:
    """Where the program is. Raises Permanent."""
    named = Path(str(told.get("selfpath") or "/"), told["selfexec"])
    if named.is_absolute() and named.is_file():
        return named
    if found := shutil.which(told["selfexec"], path=COMMANDS):
        return Path(found)
    raise Permanent(
        f"The descriptor {file.name} needs the program {named}, which is not on this machine, nor is a command "
        f"{told['selfexec']}, nor has an installed plugin of version {told.get('version')} such a program. "
        "Add the plugin's Python package first, or install the program there."
    )


def _shell(named: str, place: Path, file: Path) -> str:
    """The interpreter as the sandbox finds it: where it is named, or by its name on PATH. Raises Permanent."""
    path = Path(named)
    if path.is_absolute() and path.is_file() and any(root in path.parents for root in (*SHOWN, place)):
        return named
    if named and shutil.which(path.name, path=f"{place}/bin:{COMMANDS}"):
        return path.name
    raise Permanent(
        f"The descriptor {file.name} needs the interpreter {named or '(none named)'}, which is not on this machine. "
        "Install it, or name another one as the descriptor's execshell."
    )
