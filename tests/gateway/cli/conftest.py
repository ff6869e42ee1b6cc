"""The command as a user has it, against a real server with real plugins in a home of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugins.conftest import PLUGINS

CHRYSALIS = [sys.executable, "-m", "gateway.cli.main"]
FAILING = """
import sys
import time
from argparse import ArgumentParser

from chris_plugin import chris_plugin

parser = ArgumentParser(description="Waits, says something and ends as it is told.")
parser.add_argument("--seconds", type=float, default=0.0)
parser.add_argument("--code", type=int, default=0)
parser.add_argument("--nothing", action="store_true")


@chris_plugin(parser=parser, title="Obedient")
def main(options, inputdir, outputdir):
    print("waiting", flush=True)
    time.sleep(options.seconds)
    print(f"I end with {options.code}", file=sys.stderr, flush=True)
    if not options.nothing:
        (outputdir / "said.txt").write_text("done")
    return options.code
"""
PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "pl-obedient"
version = "1.0"
dependencies = ["chris_plugin>=0.4"]
[project.scripts]
pl-obedient = "pl_obedient:main"
[tool.setuptools]
py-modules = ["pl_obedient"]
"""


@dataclass(frozen=True)
class Shell:
    """Commands of a user with a home: `shell("upload", folder)`."""

    environment: dict[str, str]

    def __call__(self, *words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CHRYSALIS, *map(str, words)], env=self.environment, cwd=cwd, capture_output=True, text=True, check=False
        )

    def begin(self, *words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*CHRYSALIS, *map(str, words)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def user() -> Callable[[Path], Shell]:
    """A shell with a given home, and nothing else of Chrysalis in its environment."""

    def user(home: Path) -> Shell:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CHRYSALIS_")}
        return Shell(kept | {"CHRYSALIS_HOME": str(home), "PYTHONPATH": str(PLUGINS.parent), "COLUMNS": "200"})

    return user


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory, user: Callable[[Path], Shell]) -> Iterator[Shell]:
    """A user of a server that runs, has pl-copy and pl-obedient, and ends with the session."""
    shell = user(tmp_path_factory.mktemp("command") / "home")
    with shell.begin("serve", "--port", "0") as server:
        try:
            assert server.stdout is not None
            assert "The password of the user 'admin'" in server.stdout.readline()
            assert "Chrysalis is at http://127.0.0.1:" in server.stdout.readline()
            for plugin in (PLUGINS / "pl-copy", obedient(tmp_path_factory.mktemp("source"))):
                added = shell("plugin", "add", plugin)
                assert added.returncode == 0, added.stderr
            yield shell
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0


def obedient(folder: Path) -> Path:
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "pl_obedient.py").write_text(FAILING)
    return folder
