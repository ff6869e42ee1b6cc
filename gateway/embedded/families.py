"""The two families of plugins: whom to ask for a descriptor in an installed environment, and what is missing in it.

chris_plugin   `bin/chris_plugin_info` finds the plugin and tells all of it
chrisapp       the plugin's own program tells it by `--json`, without name, dock_image and public_repo; its selfpath is
               where the program lay when it was built (source: `chrisapp/base.py` of 1.0 to 2.5)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from functions.errors import Permanent
from gateway.embedded import complaints

CHRISAPP = "chrisapp"
OLDER = ("<2", "<1.1")
"""Bases that came before something that older plugins define themselves: `path` may be optional below 2; --version,
--man, --meta and -v are the plugin's own below 1.1. A package that does not say which one it was made for gets the
newest first."""


@dataclass(frozen=True)
class Distribution:
    """What pip has installed for what was asked for."""

    name: str
    version: str
    repository: str = ""

    @property
    def image(self) -> str:
        """The reference that descriptors must have; no such image exists."""
        return f"localhost/{self.name.lower()}:{self.version}"


@dataclass(frozen=True)
class Question:
    """A program in an environment's `bin` that is asked for a descriptor by these words."""

    program: str
    words: tuple[str, ...]
    family: str = CHRISAPP


def canonical(name: str) -> str:
    """Pure: a package's name as every spelling of it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def questions(environment: Path, package: Distribution) -> list[Question]:
    """Whom to ask, the likeliest first. Raises Permanent if the package is no plugin."""
    found = []
    if (environment / "bin/chris_plugin_info").exists():
        words = ("-r", package.repository, "--dock-image", package.image, package.name)
        found.append(Question("chris_plugin_info", words, "chris_plugin"))
    if is_chrisapp(environment):
        found += [Question(program, ("--json",)) for program in programs(environment, package.name)]
    if not found:
        raise Permanent(
            complaints.no_program(package.name) if is_chrisapp(environment) else complaints.no_plugin(package.name)
        )
    return found


def is_chrisapp(environment: Path) -> bool:
    return any(_site(environment).glob("chrisapp-*.dist-info"))


def programs(environment: Path, name: str) -> list[str]:
    """The programs that a package has put into `bin`, the one that bears its name first (RECORD, PEP 376)."""
    found = {
        Path(row.split(",")[0]).name
        for record in _about(environment, name, "RECORD")
        for row in record.splitlines()
        if row.startswith("../../../bin/") and "/__pycache__/" not in row
    }
    return sorted(found, key=lambda program: (canonical(Path(program).stem) != canonical(name), program))


def older_bases(environment: Path, name: str) -> Iterator[str]:
    """What to ask pip for where a package does not work with the newest base: older ones that it allows."""
    if not is_chrisapp(environment):
        return
    allowed = ""
    for text in _about(environment, name, "METADATA"):
        for line in text.partition("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            if key == "Requires-Dist" and (one := _requirement(value)) and canonical(one.name) == CHRISAPP:
                allowed = str(one.specifier)
    yield from (f"{CHRISAPP}{','.join(filter(None, (older, allowed)))}" for older in OLDER)


def told(text: str, name: str) -> dict[str, Any]:
    """Pure: the descriptor in what a program has printed, which may greet first. Raises Permanent."""
    decoder, place, why = json.JSONDecoder(), text.find("{"), "no JSON object in it has parameters"
    while place >= 0:
        try:
            value, _ = decoder.raw_decode(text, place)
            if isinstance(value, dict) and "parameters" in value:
                return value
        except ValueError as error:
            why = str(error)
        place = text.find("{", place + 1)
    raise Permanent(f"{name} does not tell a descriptor that can be read: {why}.")


def complete(found: Mapping[str, Any], question: Question, package: Distribution, bin_folder: Path) -> dict[str, Any]:
    """Pure: a told descriptor with all that is ours to say.

    Where the program lies is ours: `python` is found by PATH, since a long path of ours would break the rule that
    `execshell` has at most 50 characters.
    """
    whole = {name: value for name, value in found.items() if value not in (None, "None <None>")}
    if question.family == CHRISAPP:
        given = {"name": package.name.lower(), "dock_image": package.image, "public_repo": package.repository}
        whole = {**given, **{name: value for name, value in whole.items() if value != ""}}
        whole["selfexec"] = question.program
    return whole | {"execshell": "python", "selfpath": str(bin_folder)}


def _about(environment: Path, name: str, file: str) -> Iterator[str]:
    """A file of a package's metadata."""
    for folder in _site(environment).glob("*.dist-info"):
        if canonical(folder.stem.partition("-")[0]) == canonical(name) and (folder / file).is_file():
            yield (folder / file).read_text(errors="replace")


def _site(environment: Path) -> Path:
    return next(iter(sorted(environment.glob("lib/python*/site-packages"))), environment / "lib")


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text.strip())
    except InvalidRequirement:
        return None
