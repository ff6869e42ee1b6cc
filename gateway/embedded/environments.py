"""Plugins from Python packages: a virtual environment of its own for each version, and the descriptor that it tells.

    plugins/<name>/<version>/        the environment, read-only for plugins; `chrysalis.json` in it holds what is known
    plugins/.building-...            one that is being made, or that a crash has left behind

An environment is built beside, told where it will lie, and put into its place by one rename: who looks finds all of
it or nothing, and a job that runs in an older build of the same version is not disturbed. Installing a package runs its
build, as pip does everywhere, and so is the act of an administrator; its descriptor is asked for in the sandbox.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from functions.errors import Permanent
from gateway.catalog import descriptors
from gateway.catalog.faults import Faulty
from gateway.embedded import (
    complaints,
    descriptor_files,
    families,
    interpreters,
    packages,
    processes,
    sandbox,
)
from gateway.embedded.families import Distribution, Question
from gateway.embedded.interpreters import OtherPython
from gateway.embedded.packages import Installer

log = logging.getLogger(__name__)

MARK = "chrysalis.json"
BUILDING = ".building-"
DESCRIBE_SECONDS = 120
EXCHANGE, HERE = 2, -100  # renameat2(2): RENAME_EXCHANGE, AT_FDCWD


@dataclass(frozen=True)
class Environment:
    """An installed plugin. `folder` is where its virtual environment lies: the `place` of a `Runtime`."""

    folder: Path
    name: str
    version: str
    descriptor: dict[str, Any]


class RulesBroken(Permanent):
    """A package has told its descriptor, but no catalog may take it."""


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
        """An installed version, by any spelling of its package's name; None if there is none."""
        folder = self.root / families.canonical(name) / version
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads((folder / MARK).read_text())
            return Environment(folder, known["name"], known["version"], known["descriptor"])
        return None

    def all(self) -> list[Environment]:
        """Every installed version."""
        marks = sorted(self.root.glob(f"[!.]*/*/{MARK}"))
        found = (self.find(mark.parts[-3], mark.parts[-2]) for mark in marks)
        return [environment for environment in found if environment]

    def install(self, source: str) -> Environment:
        """Install a requirement (`shexec==2.5.0`), a wheel, a folder or a descriptor. Raises Permanent with a sentence.

        A pinned requirement that is here already is answered at once; a folder or a wheel is always installed anew. Of
        a descriptor (a .json file) the program is not installed, but must be here: `descriptor_files`.
        """
        if source.endswith(descriptor_files.SUFFIX) and Path(source).expanduser().is_file():
            return self._adopt(Path(source).expanduser())
        asked = packages.requirement(source)
        pinned = packages.PINNED.fullmatch(asked)
        if pinned and (known := self.find(pinned["name"], pinned["version"])):
            return known
        self._require_sandbox()
        with self._building() as building:
            return self._build(building, asked)

    def remove(self, name: str, version: str) -> None:
        """Forget a version. Jobs that run in it keep what they have opened only: remove what nobody runs."""
        gone = self.root / f"{BUILDING}{os.urandom(4).hex()}"
        with suppress(FileNotFoundError):
            (self.root / families.canonical(name) / version).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _require_sandbox(self) -> None:
        if not self.bwrap and not self.unsandboxed:
            raise Permanent(complaints.NO_SANDBOX)

    def _adopt(self, file: Path) -> Environment:
        """A plugin whose program is here already."""
        self._require_sandbox()
        given = descriptor_files.read(file)
        installed = [(known.folder, known.name, known.version) for known in self.all()]
        place, told = descriptor_files.locate(given, file, installed, hidden=(self.root.parent, Path.home()))
        checked = check(told, told["name"])
        return Environment(place, checked["name"], checked["version"], checked)

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
        """With our Python; with another one of this machine if the package says that it needs it."""
        try:
            return self._build_with(building, asked, Path(sys.executable))
        except OtherPython as fault:
            known = interpreters.find(os.environ)
            other = interpreters.fitting(fault.wanted, known)
            if other is None:
                raise Permanent(f"{fault} {complaints.pythons([str(one) for one in known])}") from fault
            log.info("%s is installed with Python %s", asked, other, extra={"action": "plugin.python"})
            shutil.rmtree(building, ignore_errors=True)
            return self._build_with(building, asked, other.path)

    def _build_with(self, building: Path, asked: str, python: Path) -> Environment:
        """Every step works in the new folder; the last one moves it."""
        installer = packages.make(building, python)
        package = packages.fill(installer, asked)
        place = self.root / families.canonical(package.name) / package.version
        packages.relocate(building, place)
        described = self._describe_with_some_base(installer, place, package)
        environment = Environment(place, described["name"], described["version"], described)
        (building / MARK).write_text(json.dumps({**asdict(environment), "folder": str(place), "source": asked}))
        place.parent.mkdir(parents=True, exist_ok=True)
        exchange(building, place)
        return environment

    def _describe_with_some_base(self, installer: Installer, place: Path, package: Distribution) -> dict[str, Any]:
        """The descriptor; a chrisapp plugin that the newest base breaks gets the base of its time. Raises Permanent."""
        building = installer.folder
        try:
            return self._describe(building, place, package)
        except OtherPython:
            raise
        except Permanent as fault:
            why = fault
        for older in families.older_bases(building, package.name):
            try:
                installer.install(older)
                packages.relocate(building, place)
                found = self._describe(building, place, package)
                log.info("%s works with %s", package.name, older, extra={"action": "plugin.base"})
                return found
            except RulesBroken as fault:
                why = fault  # this one has answered: its fault is the package's own
            except Permanent:
                continue
        raise why

    def _describe(self, building: Path, place: Path, package: Distribution) -> dict[str, Any]:
        """The descriptor, as the first program of the package that answers tells it, checked. Raises Permanent."""
        faults = []
        for question in families.questions(building, package):
            try:
                told = families.told(self._ask(building, place, package, question), package.name)
            except Permanent as fault:
                faults.append(fault)
                continue
            return check(families.complete(told, question, package, place / "bin"), package.name)
        raise faults[0]

    def _ask(self, building: Path, place: Path, package: Distribution, question: Question) -> str:
        home = place if self.bwrap else building
        words = [str(home / "bin/python"), str(home / "bin" / question.program), *question.words]
        if self.bwrap:
            words = sandbox.arguments(self.bwrap, self._rooms(building, place), words)
        variables = {"PATH": f"{home}/bin:{packages.OUTER_PATH}", "HOME": sandbox.HOME, "LANG": "C.UTF-8"}
        done = packages.run(words, variables, seconds=DESCRIBE_SECONDS)
        if done.returncode:
            if wanted := complaints.other_python(done.stderr, package.name):
                raise OtherPython(complaints.describe(done.stderr, package.name), wanted)
            raise Permanent(complaints.describe(done.stderr, package.name))
        return str(done.stdout)

    def _rooms(self, building: Path, place: Path) -> sandbox.Rooms:
        prefixes = sandbox.prefixes(building, hidden=[self.root.parent, Path.home()])
        return sandbox.Rooms(environment=building, place=place, uid=os.getpid() + 1_000_000, prefixes=prefixes)


def check(found: dict[str, Any], name: str) -> dict[str, Any]:
    """Pure: a descriptor under the catalog's rules. Raises RulesBroken."""
    try:
        descriptors.parse(found)
    except Faulty as fault:
        raise RulesBroken(f"The descriptor of {name} breaks the rules of plugins: {fault}.") from fault
    return found


def exchange(new: Path, place: Path) -> None:
    """Put a folder into its place. One that is there already changes places with it, in one step."""
    if not place.exists():
        new.rename(place)
        return
    if processes.LIBC.renameat2(HERE, os.fsencode(new), HERE, os.fsencode(place), EXCHANGE):
        place.rename(new.with_name(new.name + "-old"))  # a file system that cannot exchange: nearly one step
        new.rename(place)
