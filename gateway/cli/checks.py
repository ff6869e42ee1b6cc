"""The contract of plugins, tried on one: each check has a verdict, a reason and what to do.

A plugin is run as anywhere else (sandbox, random user, no network, read-only input), on good input and on bad. Whether
it writes beside its output folder is seen from inside: what lies on the root of the sandbox when it has ended.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape

from gateway.cli import tree

if TYPE_CHECKING:
    from gateway.embedded.environments import Environment
    from gateway.embedded.trial import Bench

OK, WARN, FAIL, UNKNOWN = "ok", "warning", "fail", "unknown"
COLOURS = {OK: "green", WARN: "yellow", FAIL: "red", UNKNOWN: "dim"}
NETWORK = re.compile(
    r"NameResolutionError|Temporary failure in name resolution|Network is unreachable|getaddrinfo failed|"
    r"Name or service not known|Could not resolve host"
)
READ_ONLY = re.compile(r"Read-only file system: '?([^'\n]*)|Errno 30")
TRACEBACK = "Traceback (most recent call last)"
UNKNOWN_FLAG = "--no-plugin-has-this-option"
STRAYS = ".chrysalis-strays"
WATCHED = f"""
import json, os, subprocess, sys
code = subprocess.call(sys.argv[1:])
root, found = os.lstat("/").st_dev, []
for place, folders, names in os.walk("/"):
    folders[:] = [one for one in folders if os.lstat(os.path.join(place, one)).st_dev == root]
    paths = [os.path.join(place, one) for one in names]
    found += [one for one in paths if os.lstat(one).st_dev == root and not os.path.islink(one)]
with open(os.path.join(os.environ["HOME"], "{STRAYS}"), "w") as file:
    json.dump(found[:20], file)
sys.exit(code if code >= 0 else 128 - code)
"""
"""Runs a command, then lists the files on the root of the sandbox: all that belongs there are other file systems."""


@dataclass(frozen=True)
class Check:
    """One rule: `sentence` is what was seen, `advice` what to do."""

    name: str
    verdict: str
    sentence: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Seen:
    """One run: exit code (None: ended by a limit or not started), why, what it printed, wrote, and wrote elsewhere."""

    code: int | None
    sentence: str
    log: str
    files: tuple[tree.Result, ...]
    strays: tuple[str, ...] | None

    @property
    def last(self) -> str:
        lines = [line.strip() for line in self.log.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @property
    def kept(self) -> int:
        return sum(not one.lost for one in self.files)


@dataclass(frozen=True)
class Subject:
    """What is checked: an installed plugin with the arguments to give it."""

    bench: Bench
    environment: Environment
    kind: str
    start: tuple[str, ...]
    command: tuple[str, ...]
    seconds: int

    def run(self, command: tuple[str, ...], incoming: Path | None) -> Seen:
        from gateway.embedded import trial

        _, descriptor = trial.program(self.environment)
        limits = trial.least(descriptor, seconds=self.seconds)
        watched = ("python", "-I", "-c", WATCHED, *command)
        with tempfile.TemporaryDirectory(dir=self.bench.trials) as folder:
            one = trial.Trial(self.environment, watched, limits, incoming, Path(folder))
            outcome = self.bench.run(one)
            strays = outcome.scratch.get(STRAYS)
            return Seen(
                outcome.end.exit_code if outcome.end.reason in ("completed", "error", "signal") else None,
                outcome.end.sentence,
                outcome.log.decode("utf-8", "replace"),
                tuple(tree.results(Path(folder))),
                tuple(json.loads(strays)) if strays and self.bench.ground.bwrap else None,
            )


def perform(
    bench: Bench, environment: Environment, words: tuple[str, ...], *, incoming: Path | None, seconds: int
) -> list[Check]:
    """All checks. Raises click.UsageError for words that the plugin does not take."""
    from gateway.cli.trials import command_line
    from gateway.embedded import trial

    program, descriptor = trial.program(environment)
    command = command_line(program, descriptor, words)
    start = tuple(word for word in (program.execshell, f"{program.selfpath}/{program.selfexec}") if word)
    subject = Subject(bench, environment, program.type, start, command, seconds)
    with samples(bench.trials, incoming) as (good, empty, broken):
        seen = subject.run(command, good if program.type != "fs" else None)
        found = [
            Check("installs and tells a valid descriptor", OK, f"{descriptor.name} {descriptor.version}"),
            *described(descriptor.texts, [one.flag for one in descriptor.parameters if not one.help]),
            helps(subject.run((*start, "--help"), None)),
            refuses(subject.run((*start, UNKNOWN_FLAG, *command[len(start) :]), empty)),
            works(seen, given=incoming is not None or program.type == "fs"),
            writes(seen),
            stays(seen),
            lonely(seen, given=incoming is not None or program.type == "fs"),
        ]
        if program.type == "ds":
            found += [
                explains("says why an empty input is of no use", subject.run(command, empty)),
                explains("says why it cannot read a file", subject.run(command, broken)),
            ]
    return found


@contextmanager
def samples(folder: Path, given: Path | None) -> Iterator[tuple[Path, Path, Path]]:
    """A good input, an empty one, and one of a file that nobody can read."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        good, empty, broken = (Path(scratch, name) for name in ("good", "empty", "broken"))
        for one in (good, empty, broken):
            one.mkdir()
        (good / "notes.txt").write_text("A plain text, as an example.\n", encoding="utf-8")
        (good / "table.csv").write_text("name,value\none,1\ntwo,2\n", encoding="utf-8")
        for name in ("scan.dcm", "volume.nii.gz", "broken.bin"):
            (broken / name).write_bytes(bytes(range(255, -1, -1)) * 16)
        yield given or good, empty, broken


def described(texts: dict[str, str], mute: list[str]) -> list[Check]:
    """No license is asked for: chris_plugin 0.4 does not read where packages tell it today (PEP 639)."""
    name = "tells people what it is"
    lacking = [field for field in ("title", "description", "authors") if not texts[field]]
    if lacking or mute:
        said = [f"no {', '.join(lacking)}"] if lacking else []
        said += [f"no help for {', '.join(mute)}"] if mute else []
        advice = "set title= in @chris_plugin, description and authors in pyproject.toml, help= of arguments"
        return [Check(name, WARN, "; ".join(said), advice)]
    return [Check(name, OK, texts["title"])]


def helps(seen: Seen) -> Check:
    name = "--help works"
    if seen.code == 0 and seen.log.strip():
        return Check(name, OK)
    return Check(name, FAIL, told(seen), "build the parser with argparse and no work before it is called")


def refuses(seen: Seen) -> Check:
    name = "refuses an unknown option"
    if seen.code == 0:
        return Check(name, FAIL, f"{UNKNOWN_FLAG} was taken", "use parse_args, not parse_known_args")
    verdict = OK if seen.log.strip() else FAIL
    return Check(name, verdict, "" if verdict == OK else told(seen), "" if verdict == OK else "print what is wrong")


def works(seen: Seen, *, given: bool) -> Check:
    """It ends with 0 on good input. What our own sample shows is no verdict on a plugin for something else."""
    name = "ends with 0 on good input"
    if seen.code == 0:
        return Check(name, OK)
    advice = "run it by `chrysalis plugin run` to see all that it prints"
    if not given:
        return Check(name, UNKNOWN, told(seen), "give a folder that it can work on: --input FOLDER")
    return Check(name, FAIL, told(seen), advice)


def writes(seen: Seen) -> Check:
    name = "its output is not empty"
    if seen.code != 0:
        return Check(name, UNKNOWN, "it did not end with 0")
    lost = [one for one in seen.files if one.lost]
    if not seen.kept:
        return Check(name, FAIL, "it ended with 0 and wrote no file", "write to the output folder that it is given")
    if lost:
        return Check(name, WARN, f"{lost[0].path} is {lost[0].lost}: left out", "write files, not links")
    return Check(name, OK, f"{seen.kept} files")


def stays(seen: Seen) -> Check:
    name = "writes only to its output folder"
    if denied := READ_ONLY.search(seen.log):
        where = f"it writes to {denied[1]}" if denied[1] else "it writes to a folder that is read-only"
        return Check(name, FAIL, where, "write to the output folder, scratch files to tempfile.gettempdir()")
    if seen.strays is None:
        return Check(name, UNKNOWN, "no sandbox here shows it" if seen.code == 0 else told(seen))
    if seen.strays:
        advice = "write to the output folder, scratch files to tempfile.gettempdir()"
        return Check(name, FAIL, f"it left {', '.join(seen.strays[:3])}", advice)
    return Check(name, OK)


def lonely(seen: Seen, *, given: bool) -> Check:
    name = "works as a random user without network"
    if found := NETWORK.search(seen.log):
        return Check(name, FAIL, f"it wants the network ({found[0]})", "pack what it downloads into its package")
    if seen.code == 0 and seen.strays is not None:
        return Check(name, OK)
    sentence = "no sandbox here shows it" if seen.code == 0 else "it did not end with 0"
    return Check(name, FAIL if given and seen.code != 0 else UNKNOWN, sentence, "" if seen.code == 0 else "see above")


def explains(name: str, seen: Seen) -> Check:
    """Bad input: either it copes, or it ends with another code than 0 and says why in a sentence."""
    advice = "print one sentence that says why, and end with another code: sys.exit('There is no DICOM in ...')"
    if seen.code is None:
        return Check(name, FAIL, told(seen), advice)
    if seen.code == 0:
        if seen.kept:
            return Check(name, OK, "it copes with it")
        return Check(name, WARN if seen.log.strip() else FAIL, "it ends with 0 and writes nothing", advice)
    if not seen.log.strip():
        return Check(name, FAIL, f"it ends with {seen.code} and prints nothing", advice)
    if TRACEBACK in seen.log:
        return Check(name, WARN, f"it ends in a traceback: {seen.last[:120]}", advice)
    return Check(name, OK, seen.last[:120])


def told(seen: Seen) -> str:
    return " ".join(filter(None, [seen.sentence, seen.last[:200]])) or f"it ended with {seen.code} and printed nothing"


def lines(found: list[Check]) -> Group:
    """A line a check, however wide the terminal is."""
    rows = []
    for one in found:
        told = ": ".join(filter(None, [one.name, one.sentence])) + (f". To do: {one.advice}" if one.advice else "")
        rows.append(f"[{COLOURS[one.verdict]}]{one.verdict:<8}[/] {escape(told)}")
    return Group(*rows)
