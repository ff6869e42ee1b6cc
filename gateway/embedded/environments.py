"""Plugins from Python packages: a virtual environment of its own for each version, and the descriptor that it tells.

    plugins/<name>/<version>/        the environment, read-only for plugins; `chrysalis.json` in it holds what is known
    plugins/.building-...            one that is being made, or that a crash has left behind

An environment is built beside, told where it will lie, and put into its place by one rename: who looks finds all of
it or nothing, and a job that runs in an older build of the same version is not disturbed. Installing a package runs its
build, as pip does everywhere, and so is the act of an administrator; its descriptor is asked for in the sandbox.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from functions.errors import Permanent
from gateway.catalog import descriptors
from gateway.catalog.faults import Faulty
from gateway.embedded import complaints, processes, sandbox

MARK = "chrysalis.json"
BUILDING = ".building-"
PROJECT = ("pyproject.toml", "setup.py", "setup.cfg")
PINNED = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*(?P<version>[0-9][0-9.]*)\s*")
REQUIREMENT = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9._, -]*\])?\s*([=<>!~;@(].*)?")
DESCRIBE_SECONDS = 120
LEFT_OUT = frozenset({".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache"})
OUTER_PATH = "/usr/local/bin:/usr/bin:/bin"
EXCHANGE, HERE = 2, -100  # renameat2(2): RENAME_EXCHANGE, AT_FDCWD


@dataclass(frozen=True)
class Environment:
    """An installed plugin. `folder` is where its virtual environment lies: the `place` of a `Runtime`."""

    folder: Path
    name: str
    version: str
    descriptor: dict[str, Any]


@dataclass(frozen=True)
class Distribution:
    """What pip has installed for what was asked for."""

    name: str
    version: str
    repository: str = ""


class Environments:
    """The folder of all environments. `bwrap` empty: none works, and descriptors are asked only if `unsandboxed`."""

    def __init__(self, root: Path, *, bwrap: str | None = None, unsandboxed: bool = False) -> None:
        self.root, self.unsandboxed = root.absolute(), unsandboxed
        self._bwrap = bwrap

    @property
    def bwrap(self) -> str:
        if self._bwrap is None:
            self._bwrap = sandbox.find() or ""
        return self._bwrap

    def find(self, name: str, version: str) -> Environment | None:
        """An installed version; None if there is none."""
        folder = self.root / name / version
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads((folder / MARK).read_text())
            return Environment(folder, known["name"], known["version"], known["descriptor"])
        return None

    def install(self, source: str) -> Environment:
        """Install a requirement (`shexec==2.5.0`), a wheel or a folder. Raises Permanent with one sentence.

        A pinned requirement that is here already is answered at once; a folder or a wheel is always installed anew.
        """
        asked = requirement(source)
        pinned = PINNED.fullmatch(asked)
        if pinned and (known := self.find(pinned["name"], pinned["version"])):
            return known
        if not self.bwrap and not self.unsandboxed:
            raise Permanent(complaints.NO_SANDBOX)
        with self._building() as building:
            return self._build(building, asked)

    def remove(self, name: str, version: str) -> None:
        """Forget a version. Jobs that run in it keep what they have opened only: remove what nobody runs."""
        gone = self.root / f"{BUILDING}{os.urandom(4).hex()}"
        with suppress(FileNotFoundError):
            (self.root / name / version).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def _building(self) -> Iterator[Path]:
        """A new folder to build in, one at a time on this machine; what crashed builders have left goes."""
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self.root.glob(BUILDING + "*"):
                shutil.rmtree(left, ignore_errors=True)
            building = self.root / f"{BUILDING}{os.urandom(4).hex()}"
            try:
                yield building
            finally:
                shutil.rmtree(building, ignore_errors=True)

    def _build(self, building: Path, asked: str) -> Environment:
        """Every step works in the new folder; the last one moves it."""
        distribution = fill(building, asked)
        place = self.root / distribution.name / distribution.version
        relocate(building, place)
        described = self._describe(building, place, distribution)
        environment = Environment(place, described["name"], described["version"], described)
        (building / MARK).write_text(json.dumps({**asdict(environment), "folder": str(place), "source": asked}))
        place.parent.mkdir(parents=True, exist_ok=True)
        exchange(building, place)
        return environment

    def _describe(self, building: Path, place: Path, distribution: Distribution) -> dict[str, Any]:
        """The descriptor, as the package tells it, checked. Raises Permanent."""
        if not (building / "bin/chris_plugin_info").exists():
            raise Permanent(complaints.no_plugin(distribution.name))
        home = place if self.bwrap else building
        words = [str(home / "bin/python"), str(home / "bin/chris_plugin_info"), "-r", distribution.repository]
        words += ["--dock-image", f"localhost/{distribution.name.lower()}:{distribution.version}", distribution.name]
        if self.bwrap:
            words = sandbox.arguments(self.bwrap, self._rooms(building, place), words)
        variables = {"PATH": f"{home}/bin:{OUTER_PATH}", "HOME": sandbox.HOME, "LANG": "C.UTF-8"}
        done = run(words, variables, seconds=DESCRIBE_SECONDS)
        if done.returncode:
            raise Permanent(complaints.describe(done.stderr, distribution.name))
        return check(done.stdout, place, distribution)

    def _rooms(self, building: Path, place: Path) -> sandbox.Rooms:
        prefixes = sandbox.prefixes(building, hidden=[self.root.parent, Path.home()])
        return sandbox.Rooms(environment=building, place=place, uid=os.getpid() + 1_000_000, prefixes=prefixes)


def requirement(source: str) -> str:
    """What pip is asked for: a path that is there, or a requirement. Raises Permanent if it is neither."""
    path = Path(source).expanduser()
    if source.strip() and path.is_dir() and not any((path / name).is_file() for name in PROJECT):
        raise Permanent(f"The folder {source} is no Python package: it has none of {', '.join(PROJECT)}.")
    if source.strip() and (path.is_dir() or path.is_file()):
        return str(path.absolute())
    remote = "@" in source  # `name @ https://...`
    if not REQUIREMENT.fullmatch(source) or (source.strip().endswith(".whl") and not remote):
        raise Permanent(f"There is no folder or wheel {source!r}. Give one, or a package like shexec==2.5.0.")
    return source.strip()


def fill(folder: Path, asked: str) -> Distribution:
    """Make an environment and install into it; answers the distribution that was asked for. Raises Permanent."""
    ours = importlib.util.find_spec("pip") is not None
    bare = ["--prompt", "plugin", *(["--without-pip"] if ours else [])]
    made = run([sys.executable, "-m", "venv", *bare, str(folder)], dict(os.environ))
    if made.returncode:
        raise Permanent(f"No virtual environment can be made here: {complaints.last_line(made.stdout + made.stderr)}")
    report = folder / "report.json"
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python")]
    if not ours:
        pip = [str(folder / "bin/python"), "-m", "pip"]
    options = ["--no-input", "--no-compile", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2"]
    with source_of(folder, asked) as source:
        done = run([*pip, "install", *options, "--report", str(report), "--", source], pip_variables(os.environ))
    if done.returncode:
        raise Permanent(complaints.install(done.stdout + done.stderr, asked))
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
            repository = next((link for link in [*links, told.get("home_page", "")] if link.startswith("http")), "")
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
    for passing in (building / "report.json", *building.glob("lib/*/site-packages/*.dist-info/direct_url.json")):
        if passing.name == "report.json" or before in passing.read_bytes():  # it names the copy that pip has built from
            passing.unlink()
    words = [str(building / "bin/python"), "-m", "compileall", "-q", "-s", str(building), "-p", str(place)]
    run([*words, str(building / "lib")], {"PATH": OUTER_PATH})  # a file of another Python's syntax is no fault


def check(text: str, place: Path, distribution: Distribution) -> dict[str, Any]:
    """Pure: the descriptor in what `chris_plugin_info` printed, under the catalog's rules. Raises Permanent.

    Where the program lies is ours to say: `python` is found by PATH, since a long path of ours would break the rule
    that `execshell` has at most 50 characters.
    """
    try:
        told = json.loads(text[text.index("{") :])
    except ValueError as error:
        raise Permanent(f"{distribution.name} does not tell a descriptor that can be read: {error}.") from error
    found = {name: value for name, value in told.items() if value not in (None, "None <None>")}
    found |= {"execshell": "python", "selfpath": str(place / "bin")}
    try:
        descriptors.parse(found)
    except Faulty as fault:
        raise Permanent(f"The descriptor of {distribution.name} breaks the rules of plugins: {fault}.") from fault
    return found


def exchange(new: Path, place: Path) -> None:
    """Put a folder into its place. One that is there already changes places with it, in one step."""
    if not place.exists():
        new.rename(place)
        return
    if processes.LIBC.renameat2(HERE, os.fsencode(new), HERE, os.fsencode(place), EXCHANGE):
        place.rename(new.with_name(new.name + "-old"))  # a file system that cannot exchange: nearly one step
        new.rename(place)


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
