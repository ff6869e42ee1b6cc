"""`plugin new`: a package with a plugin that works, tests that pass, a README and a license, to be changed at will."""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template

from gateway.cli.faults import Fault

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 60
TAKEN = ("tests", "pytest", "chris_plugin")
FILES = {
    "pyproject.toml.in": "pyproject.toml",
    "module.py.in": "{module}.py",
    "tests.py.in": "tests/test_{module}.py",
    "README.md.in": "README.md",
    "LICENSE.in": "LICENSE",
    "gitignore.in": ".gitignore",
}
"""The files of the template, and where they go."""


def write(folder: Path) -> list[Path]:
    """Write the package into a new folder, whose name is the plugin's; answers its files. Raises Fault."""
    name = folder.name
    module = name.replace("-", "_")
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise Fault(f"{name!r} cannot be a plugin's name: take small letters, digits and dashes, such as pl-mean-dose.")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in TAKEN:
        raise Fault(f"{name!r} is a name that Python uses itself: choose another, such as pl-{name}.")
    if folder.exists():
        raise Fault(f"{folder} is there already: choose another name, or remove it.")
    author = setting("user.name") or "Your Name"
    words = {
        "name": name,
        "module": module,
        "title": name.removeprefix("pl-").replace("-", " ").capitalize(),
        "author": author.replace('"', "'"),
        "email": setting("user.email") or "you@example.org",
        "year": str(datetime.now(UTC).year),
    }
    return [fill(source, folder / target.format(module=module), words) for source, target in FILES.items()]


def fill(source: str, target: Path, words: dict[str, str]) -> Path:
    text = resources.files("gateway.cli").joinpath("template", source).read_text(encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(Template(text).substitute(words), encoding="utf-8")
    return target


def setting(name: str) -> str:
    """What git knows of the user; empty without git."""
    try:
        done = subprocess.run(["git", "config", "--get", name], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
