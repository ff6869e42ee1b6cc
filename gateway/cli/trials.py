"""`plugin run` and `plugin check`: a plugin on folders of this disk, without a server.

The embedded half is imported where it is needed only: the rest of the command starts without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.filesize import decimal

from gateway.cli import credentials, plugins, progress, tree
from gateway.cli.answers import Answer, Command
from gateway.cli.client import Value
from gateway.cli.faults import JOB_FAILED, REFUSED, Fault

if TYPE_CHECKING:
    from gateway.embedded.environments import Environment
    from gateway.embedded.trial import Bench, Trial

UNSANDBOXED = "CHRYSALIS_UNSANDBOXED"
SPEND = {"ignore_unknown_options": True}
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@contextmanager
def translated() -> Iterator[None]:
    """What the embedded half says, as the command says it."""
    from functions.errors import Failure

    try:
        yield
    except Failure as failure:
        raise Fault(str(failure)) from failure


def bench(environment: Mapping[str, str]) -> Bench:
    from gateway.embedded.trial import Bench

    unsandboxed = environment.get(UNSANDBOXED, "").lower() in ("1", "true", "yes", "on")
    return Bench(credentials.home(environment), unsandboxed=unsandboxed)


def get(place: Bench, source: str) -> Environment:
    """Install what is not installed yet, and tell that it may take a while."""
    with translated(), progress.console.status(f"getting {source}"):
        found = place.get(source)
    click.echo(f"{found.name} {found.version}: installed, its descriptor keeps the rules", err=True)
    return found


@click.command("run", cls=Command, context_settings=SPEND)
@click.argument("plugin")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--memory", type=click.IntRange(min=1), help="MiB that it may use (default: its own minimum)")
@click.option("--seconds", type=click.IntRange(min=0), default=0, help="end it after so long (default: never)")
def run_command(plugin: str, words: tuple[str, ...], memory: int | None, seconds: int) -> Answer:
    """Run PLUGIN once on folders of this disk, without a server: chrysalis plugin run PLUGIN IN OUT [-- ARGUMENTS]

    PLUGIN is a package on PyPI (name, or name==version), a folder, a wheel, or a plugin that is installed here. IN is
    only read; OUT must be empty or new. A plugin that makes its data itself (type fs) needs no IN: leave it out.

    It runs as it would on a server: sandbox, no network, random user, limits. What it prints goes to stderr; the exit
    code is the plugin's own (2 and 4 also tell wrong usage, and that it could not be run).
    """
    from gateway.embedded import trial

    incoming, outgoing, rest = folders(words)
    place = bench(os.environ)
    environment = get(place, plugin)
    with translated():
        program, descriptor = trial.program(environment)
    if incoming is None and program.type == "ds":
        raise click.UsageError(f"{environment.name} needs IN and OUT: the folder to read and the folder to fill.")
    command = command_line(program, descriptor, rest)
    limits = trial.least(descriptor, memory=memory, seconds=seconds)
    existed = outgoing.exists()
    outgoing.mkdir(parents=True, exist_ok=True)
    try:
        one = trial.Trial(environment, command, limits, incoming, outgoing)
        return conclude(environment, outgoing, *perform(place, one))
    finally:
        if not existed and not any(outgoing.iterdir()):
            outgoing.rmdir()


def perform(place: Bench, one: Trial) -> tuple[Any, bytes]:
    """The end of a run and its log, which is shown as it is written."""
    click.echo(f"running {' '.join(one.command[1:])}", err=True)
    with translated():
        outcome = place.run(one, tell=echo)
    if outcome.log and not outcome.log.endswith(b"\n"):
        echo(b"\n")
    return outcome.end, outcome.log


def echo(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


def conclude(environment: Environment, outgoing: Path, end: Any, log: bytes) -> Answer:
    """What came of a run: the exit code is the plugin's."""
    found = tree.results(outgoing)
    kept = [one for one in found if not one.lost]
    warning = "" if kept or end.exit_code else "It ended with 0 but wrote nothing: a user would take that for success."
    value = {
        "name": environment.name,
        "version": environment.version,
        "plugin_exit_code": end.exit_code,
        "reason": end.reason,
        "seconds": end.usage.wall_seconds,
        "memory_bytes": end.usage.peak_bytes,
        "log": log.decode("utf-8", "replace"),
        "folder": str(outgoing),
        "files": [asdict(one) for one in found],
        "warning": warning or None,
    }
    used = f"{end.usage.wall_seconds:.1f} s, {decimal(end.usage.peak_bytes)} of memory at most"
    click.echo(f"exit code {end.exit_code}, {used}", err=True)
    if warning:
        click.echo(f"Warning: {warning}", err=True)
    code = REFUSED if end.exit_code is None else end.exit_code or (0 if end.kind == "ok" else JOB_FAILED)
    return Answer(value, tree.of_results(str(outgoing), found), code=code, error=end.sentence)


def folders(words: tuple[str, ...]) -> tuple[Path | None, Path, tuple[str, ...]]:
    """IN (if given), OUT and the plugin's own words. Raises click.UsageError, and Fault for what cannot be used."""
    named = 0
    while named < min(2, len(words)) and not words[named].startswith("-"):
        named += 1
    if named == 0:
        raise click.UsageError("Give IN and OUT: the folder that the plugin reads and the folder that it fills.")
    outgoing = Path(words[named - 1])
    if (outgoing.exists() and not outgoing.is_dir()) or (outgoing.is_dir() and any(outgoing.iterdir())):
        raise Fault(f"{outgoing} is not an empty folder: choose another OUT, so that nothing is mixed up.")
    if named == 1:
        return None, outgoing, words[1:]
    incoming = Path(words[0])
    if not incoming.is_dir():
        raise Fault(f"There is no folder {str(incoming)!r}: IN is the folder that the plugin reads.")
    if outgoing.resolve().is_relative_to(incoming.resolve()):
        raise Fault(f"{outgoing} lies in {incoming}, which is only read: choose an OUT elsewhere.")
    return incoming, outgoing, words[2:]


def command_line(program: Any, descriptor: Any, words: tuple[str, ...]) -> tuple[str, ...]:
    """The plugin's whole command, as a server would make it. Raises click.UsageError for words it does not take."""
    from gateway import arguments

    known: list[Value] = [asdict(one) for one in descriptor.parameters]
    values = plugins.parse(known, words)
    missing = [one["flag"] for one in known if not one["optional"] and one["name"] not in values]
    if missing:
        raise click.UsageError(f"The plugin needs {', '.join(missing)}: give it after `--`.")
    given = [
        arguments.Given(one["type"], one["flag"], one["action"], values[one["name"]])
        for one in known
        if one["name"] in values
    ]
    return arguments.command(program, given)


@click.command("check", cls=Command, context_settings=SPEND)
@click.argument("source")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--input", "incoming", type=FOLDER, help="a folder that the plugin can work on")
@click.option(
    "--seconds", type=click.IntRange(min=1), default=300, show_default=True, help="the longest a run may take"
)
def check_command(source: str, words: tuple[str, ...], incoming: Path | None, seconds: int) -> Answer:
    """Try whether SOURCE keeps the contract of plugins: chrysalis plugin check SOURCE [--input FOLDER] [-- ARGUMENTS]

    SOURCE is what `plugin run` takes. Without --input it is run on a small text file and a table of our own. Each check
    is a line with a verdict, and what to do; the exit code is 1 if one of them fails.
    """
    from gateway.cli import checks

    place = bench(os.environ)
    try:
        with translated(), progress.console.status(f"getting {source}"):
            environment = place.get(source)
    except Fault as fault:
        found = [checks.Check("installs and tells a valid descriptor", checks.FAIL, fault.message)]
    else:
        with translated(), progress.console.status(f"checking {environment.name}"):
            found = checks.perform(place, environment, words, incoming=incoming, seconds=seconds)
    failed = [one for one in found if one.verdict == checks.FAIL]
    error = f"{len(failed)} of {len(found)} checks failed: {failed[0].name}." if failed else ""
    value = [asdict(one) for one in found]
    return Answer(value, checks.lines(found), code=JOB_FAILED if failed else 0, error=error)
