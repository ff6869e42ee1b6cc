"""Plugins on this disk without a server: made anew, checked, run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.cli.conftest import PROJECT, Shell, obedient
from tests.plugins.conftest import PLUGINS

pytestmark = pytest.mark.slow
BAD = """
import os
from argparse import ArgumentParser
from pathlib import Path
from chris_plugin import chris_plugin

parser = ArgumentParser()
parser.add_argument("--how", default="silent")


@chris_plugin(parser=parser, title="")
def main(options, inputdir, outputdir):
    if options.how == "stray":
        Path("/share/stray.txt").write_text("x")
        (outputdir / "a.txt").write_text("x")
    if options.how == "input":
        (inputdir / "notes.txt").write_text("changed")
    if options.how == "link":
        (outputdir / "link").symlink_to("/etc/passwd")
        (outputdir / "a.txt").write_text("x")
    if options.how == "network":
        import urllib.request
        urllib.request.urlopen("http://example.org")
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, user: Callable[[Path], Shell]) -> Shell:
    """A user who has no server."""
    return user(tmp_path_factory.mktemp("alone") / "home")


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "pyproject.toml").write_text(PROJECT.replace("obedient", "bad"))
    (folder / "pl_bad.py").write_text(BAD)
    return folder


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    folder = tmp_path / "in put"
    folder.mkdir()
    (folder / "file.txt").write_text("abc")
    return folder


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # a process that has just ended
        return b""


def verdicts(shell: Shell, *words: object) -> dict[str, str]:
    told = json.loads(shell("plugin", "check", "--json", *words).stdout)
    return {one["name"]: one["verdict"] for one in told["result"]}


def test_a_new_plugin_passes_its_own_tests_and_every_check(alone: Shell, tmp_path: Path) -> None:
    made = alone("plugin", "new", "pl-mean-dose", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "pl-mean-dose"
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(folder)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert tests.returncode == 0, tests.stdout
    assert "3 passed" in tests.stdout
    assert set(verdicts(alone, folder).values()) == {"ok"}


def test_a_plugin_runs_on_folders_and_tells_what_it_left(alone: Shell, incoming: Path, tmp_path: Path) -> None:
    ran = alone("plugin", "run", PLUGINS / "pl-copy", incoming, tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out/file.txt").read_text() == "abc"
    assert "file.txt  3 bytes" in ran.stdout
    assert "pl-copy 1.0.0: installed" in ran.stderr
    again = alone("plugin", "run", PLUGINS / "pl-copy", incoming, tmp_path / "out")
    assert again.returncode == 4
    assert "choose another OUT" in again.stderr


def test_a_source_that_has_changed_is_installed_anew(
    alone: Shell, incoming: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = obedient(tmp_path_factory.mktemp("changing"))
    for turn, word in enumerate(("done", "changed", "changed")):
        module = source / "pl_obedient.py"
        if word not in module.read_text():
            module.write_text(module.read_text().replace("done", word))
        assert alone("plugin", "run", source, incoming, tmp_path / str(turn)).returncode == 0
        assert (tmp_path / str(turn) / "said.txt").read_text() == word


def test_the_exit_code_is_the_plugins_and_its_log_is_shown(
    alone: Shell, incoming: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = obedient(tmp_path_factory.mktemp("source"))
    words = ("plugin", "run", source, incoming, tmp_path / "out")
    ran = alone(*words, "--", "--code", "7")
    assert ran.returncode == 7
    assert "waiting\nI end with 7\n" in ran.stderr
    (tmp_path / "out/said.txt").unlink()
    late = alone(*words, "--seconds", "1", "--json", "--", "--seconds", "60")
    told = json.loads(late.stdout)
    assert told["exit_code"] == late.returncode != 0
    assert told["result"]["reason"] == "deadline"
    assert "still running after 1 seconds" in told["error"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_stops_the_command_stops_the_plugin(
    alone: Shell, incoming: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, number: int, code: int
) -> None:
    source = obedient(tmp_path_factory.mktemp("stopped"))
    with alone.begin("plugin", "run", source, incoming, tmp_path / "out", "--", "--seconds", "600") as running:
        assert running.stderr is not None
        while running.stderr.readline() != "waiting\n":
            assert running.poll() is None
        running.send_signal(number)
        assert running.wait(30) == code
        assert "Traceback" not in running.stderr.read()
    assert not (tmp_path / "out").exists()
    home = Path(alone.environment["CHRYSALIS_HOME"])
    assert [path.name for path in (home / "trials").iterdir()] == ["plugins"]
    commands = [read(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not [one for one in commands if str(home).encode() in one]


@pytest.mark.parametrize(
    ("how", "name", "verdict"),
    [
        ("silent", "its output is not empty", "fail"),
        ("silent", "says why an empty input is of no use", "fail"),
        ("silent", "tells people what it is", "warning"),
        ("stray", "writes only to its output folder", "fail"),
        ("input", "writes only to its output folder", "fail"),
        ("link", "its output is not empty", "warning"),
        ("network", "works as a random user without network", "fail"),
    ],
)
def test_a_bad_plugin_is_told_what_to_do(alone: Shell, bad: Path, how: str, name: str, verdict: str) -> None:
    assert verdicts(alone, bad, "--", "--how", how)[name] == verdict


def test_a_plugin_that_writes_nothing_is_no_success_to_be_silent_about(
    alone: Shell, bad: Path, incoming: Path, tmp_path: Path
) -> None:
    ran = alone("plugin", "run", bad, incoming, tmp_path / "out")
    assert ran.returncode == 0
    assert "Warning: It ended with 0 but wrote nothing" in ran.stderr


def test_a_failed_check_is_exit_code_1(alone: Shell, bad: Path) -> None:
    done = alone("plugin", "check", bad)
    assert done.returncode == 1
    assert "checks failed" in done.stderr
    assert "To do: write to the output folder" in done.stdout


def test_the_page_of_a_plugin_can_be_read_without_a_server(alone: Shell) -> None:
    shown = alone("plugin", "show", PLUGINS / "pl-slice-report")
    assert shown.returncode == 0, shown.stderr
    for words in ("--slices", "limits", "example: chrysalis run pl-slice-report FOLDER"):
        assert words in shown.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("run",), 2, "Missing argument 'PLUGIN'"),
        (("run", PLUGINS / "pl-copy"), 2, "Give IN and OUT"),
        (("run", PLUGINS / "pl-copy", "out"), 2, "needs IN and OUT"),
        (("run", PLUGINS / "pl-copy", "nowhere", "out"), 4, "There is no folder 'nowhere'"),
        (("run", PLUGINS / "pl-copy", ".", "./inner"), 4, "choose an OUT elsewhere"),
        (("run", PLUGINS, "in put", "out"), 4, "is no Python package"),
        (("run", PLUGINS / "pl-copy", "in put", "out", "--", "--none"), 2, "takes no '--none'"),
        (("run", "./nowhere", "in put", "out"), 4, "There is no folder"),
        (("check", "./nowhere"), 1, "checks failed"),
        (("check", PLUGINS / "pl-copy", "--input", "nowhere"), 2, "does not exist"),
        (("show", "./nowhere"), 4, "There is no folder"),
        (("new", "Bad Name"), 4, "cannot be a plugin's name"),
        (("new", "json"), 4, "Python uses itself"),
        (("new", "in put"), 4, "cannot be a plugin's name"),
        (("new",), 2, "Missing argument"),
    ],
)
def test_errors_are_a_sentence_and_an_exit_code(
    alone: Shell, incoming: Path, words: tuple[object, ...], code: int, sentence: str
) -> None:
    done = alone("plugin", *words, cwd=incoming.parent)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (incoming.parent / "out").exists()


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_shells_get_a_completion_script(alone: Shell, name: str) -> None:
    done = alone("completion", name)
    assert done.returncode == 0
    assert "_CHRYSALIS_COMPLETE" in done.stdout
