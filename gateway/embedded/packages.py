"""Python packages: what pip is asked for, and an environment that it fills.

An environment has the pip of ours, if it has our Python, else one of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.errors import Permanent
from gateway.embedded import complaints
from gateway.embedded.families import Distribution
from gateway.embedded.interpreters import OtherPython

PROJECT = ("pyproject.toml", "setup.py", "setup.cfg")
PINNED = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*(?P<version>[0-9][0-9.]*)\s*")
REQUIREMENT = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9._, -]*\])?\s*([=<>!~;@(].*)?")
LEFT_OUT = frozenset({".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache"})
OUTER_PATH = "/usr/local/bin:/usr/bin:/bin"
OPTIONS = ("--no-input", "--no-compile", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2")
PAGE = re.compile(r"https?://[^/\s]+\.[^/\s]+")
"""A page that somebody could open: `http://wiki`, as old packages say, is none."""
REPORTING = "pip>=22.3"
"""The first pip that writes reports whose format stays."""


@dataclass(frozen=True)
class Installer:
    """pip for one environment."""

    folder: Path
    words: tuple[str, ...]

    def install(self, *wanted: str, source: str = "") -> None:
        """Raises OtherPython or Permanent, with one sentence that names `source` (else what is wanted)."""
        done = run([*self.words, "install", *OPTIONS, *wanted], pip_variables(os.environ))
        if done.returncode:
            complain(done.stdout + done.stderr, source or " ".join(wanted))


def complain(text: str, asked: str) -> None:
    """Raise what pip's words mean."""
    if wanted := complaints.other_python(text, asked):
        raise OtherPython(complaints.install(text, asked), wanted)
    raise Permanent(complaints.install(text, asked))


def requirement(source: str) -> str:
    """What pip is asked for: a path that is there, or a requirement. Raises Permanent if it is neither."""
    path = Path(source).expanduser()
    if source.strip() and path.is_dir() and not any((path / name).is_file() for name in PROJECT):
        raise Permanent(f"The folder {source} is no Python package: it has none of {', '.join(PROJECT)}.")
    if source.strip() and (path.is_dir() or path.is_file()):
        return str(path.absolute())
    remote = "@" in source  # `name @ https://...`
    if not REQUIREMENT.fullmatch(source) or (source.strip().endswith((".whl", ".json")) and not remote):
        raise Permanent(
            f"There is no folder, wheel or descriptor {source!r}. Give one, or a package like shexec==2.5.0."
        )
    return source.strip()


def make(folder: Path, python: Path) -> Installer:
    """An empty environment, and its pip. Raises Permanent."""
    ours = python == Path(sys.executable)
    lent = ours and importlib.util.find_spec("pip") is not None
    bare = ["--prompt", "plugin", *(["--without-pip"] if lent else [])]
    made = run([str(python), "-m", "venv", *bare, str(folder)], dict(os.environ))
    if made.returncode:
        raise Permanent(f"No virtual environment can be made here: {complaints.last_line(made.stdout + made.stderr)}")
    inner = str(folder / "bin/python")
    installer = Installer(folder, (sys.executable, "-m", "pip", "--python", inner) if lent else (inner, "-m", "pip"))
    if not ours:
        installer.install(REPORTING)
    return installer


def fill(installer: Installer, asked: str) -> Distribution:
    """Install what was asked for; answers the distribution that it is. Raises OtherPython or Permanent."""
    report = installer.folder / "report.json"
    with source_of(installer.folder, asked) as source:
        installer.install("--report", str(report), "--", source, source=asked)
    return requested(json.loads(report.read_text()))


@contextmanager
def source_of(folder: Path, asked: str) -> Iterator[str]:
    """What pip builds from: of a folder a copy, since a build writes into it and reads what an earlier one has left."""
    if not Path(asked).is_dir():
        yield asked
        return
    copy, top = folder / "source" / Path(asked).name, Path(asked)

    def ignore(place: str, names: list[str]) -> set[str]:
        left = {name for name in names if name in LEFT_OUT or name.endswith(".egg-info")}
        return left | {"build", "dist"} & set(names) if Path(place) == top else left

    try:
        shutil.copytree(top, copy, symlinks=True, ignore=ignore)
        yield str(copy)
    except (OSError, shutil.Error) as error:
        raise Permanent(f"The folder {asked} cannot be copied: {error}") from error
    finally:
        shutil.rmtree(copy.parent, ignore_errors=True)


def pip_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Pure: our environment without our own settings, which hold secrets that no package's build needs."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("CHRYSALIS_", "AWS_"))}
    return {**kept, "PYTHONNOUSERSITE": "1", "PIP_USER": "0"}


def requested(report: Mapping[str, Any]) -> Distribution:
    """Pure: the one package in pip's report that was asked for, not a dependency.

    The report's format: https://pip.pypa.io/en/stable/reference/installation-report/
    """
    for row in report["install"]:
        if row.get("requested"):
            told = row["metadata"]
            links = [link.partition(",")[2].strip() for link in told.get("project_url", ())]
            repository = next((link for link in [*links, told.get("home_page", "")] if PAGE.match(link)), "")
            return Distribution(told["name"], told["version"], repository)
    raise Permanent("pip has installed nothing for what was asked.")


def relocate(building: Path, place: Path) -> None:
    """Make an environment lie at `place`: its scripts name their interpreter there, its bytecode its sources."""
    before, after = str(building).encode(), str(place).encode()
    for script in (*(building / "bin").iterdir(), building / "pyvenv.cfg"):
        if script.is_file() and not script.is_symlink():
            body = script.read_bytes()
            if before in body and b"\0" not in body:
                script.write_bytes(body.replace(before, after))
    (building / "report.json").unlink(missing_ok=True)
    for passing in building.glob("lib/*/site-packages/*.dist-info/direct_url.json"):
        if before in passing.read_bytes():  # it names the copy that pip has built from
            passing.unlink()
    words = [str(building / "bin/python"), "-m", "compileall", "-q", "-s", str(building), "-p", str(place)]
    run([*words, str(building / "lib")], {"PATH": OUTER_PATH})  # a file of another Python's syntax is no fault


def run(words: Sequence[str], variables: Mapping[str, str], *, seconds: float | None = None) -> Any:
    """Run a program to its end. Raises Permanent if it cannot be started or does not end in time."""
    try:
        return subprocess.run(
            words, env=variables, timeout=seconds, check=False, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Permanent(f"{Path(words[0]).name} did not end within {seconds:g} seconds.") from error
    except OSError as error:
        raise Permanent(f"{Path(words[0]).name} cannot be started: {error.strerror}.") from error
