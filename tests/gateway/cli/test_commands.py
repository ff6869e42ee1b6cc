"""What a user types, and what comes of it."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.cli import series
from tests.gateway.cli.conftest import CHRYSALIS, Shell
from tests.kit import kit

pytestmark = pytest.mark.slow


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    folder = tmp_path / "scan of today"
    (folder / "inner").mkdir(parents=True)
    for name in ("empty", "inner/ünïcode", "inner/large"):
        (folder / name).write_bytes(b"" if name == "empty" else name.encode() * 100_000)
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_goes_in_comes_out(shell: Shell, scan: Path, tmp_path: Path) -> None:
    uploaded = shell("upload", scan)
    assert uploaded.returncode == 0, uploaded.stderr
    folder = uploaded.stdout.strip()
    assert folder == "home/admin/uploads/scan of today"
    assert "uploaded 3 files" in uploaded.stderr
    ran = shell("run", "pl-copy", folder, "--wait")
    assert ran.returncode == 0, ran.stderr
    assert "finishedSuccessfully" in ran.stderr
    job = ran.stdout.strip()
    fetched = shell("download", job, cwd=tmp_path)
    assert fetched.returncode == 0, fetched.stderr
    assert fetched.stdout.strip() == f"job-{job}"
    assert digests(tmp_path / f"job-{job}") == digests(scan)


def test_one_line_sends_runs_and_fetches(shell: Shell, scan: Path, tmp_path: Path) -> None:
    done = shell("run", "pl-copy", scan, "--wait", "--download", tmp_path / "back", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["result"]["status"]) == (0, True, "finishedSuccessfully"), done.stderr
    assert sorted(told["result"]["files"]) == sorted(digests(scan))
    assert digests(tmp_path / "back") == digests(scan)


def test_a_job_that_wrote_nothing_is_flagged(shell: Shell, scan: Path) -> None:
    done = shell("run", "pl-obedient", scan, "--wait", "--", "--nothing")
    assert done.returncode == 0
    assert "Warning: " in done.stderr
    assert "Warning: " not in shell("run", "pl-obedient", scan, "--wait").stderr


def test_a_terminal_shows_the_tree_of_the_feed(shell: Shell, scan: Path) -> None:
    job = shell("run", "pl-copy", scan).stdout.strip()
    terminal, theirs = pty.openpty()
    with subprocess.Popen([*CHRYSALIS, "watch", job], env=shell.environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the terminal's other end has gone
            while data := os.read(terminal, 1 << 16):
                shown += data
        os.close(terminal)
    assert process.returncode == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"\d+ pl-dircopy  finishedSuccessfully\s+└── " + job + " pl-copy  finishedSuccessfully", plain), (
        plain
    )


def test_an_upload_that_is_repeated_changes_nothing(shell: Shell, scan: Path, tmp_path: Path) -> None:
    folders = [shell("upload", scan, "--to", "home/admin/uploads/twice").stdout.strip() for _ in range(2)]
    assert folders == ["home/admin/uploads/twice"] * 2
    assert shell("download", "home/admin/uploads/twice", tmp_path / "back").returncode == 0
    assert digests(tmp_path / "back") == digests(scan)


def test_two_scans_of_one_name_do_not_become_one(shell: Shell, scan: Path, tmp_path: Path) -> None:
    """Neither by `upload`, which refuses, nor by `run`, which keeps each apart."""
    other = tmp_path / "other" / scan.name
    other.mkdir(parents=True)
    (other / "stranger").write_bytes(b"another patient")
    assert shell("upload", scan).returncode == 0
    refused = shell("upload", other)
    assert refused.returncode == 4
    assert "holds 3 other files already: choose another folder with --to" in refused.stderr
    job = shell("run", "pl-copy", other, "--wait").stdout.strip()
    assert shell("download", job, tmp_path / "back").returncode == 0
    assert digests(tmp_path / "back") == digests(other)


def test_a_folder_of_this_disk_is_sent_and_run(shell: Shell, scan: Path, tmp_path: Path) -> None:
    job = shell("run", "pl-copy@1.0.0", scan, "--title", "mine").stdout.strip()
    assert shell("watch", job).returncode == 0
    assert shell("download", job, tmp_path / "back").returncode == 0
    assert digests(tmp_path / "back") == digests(scan)


def test_jobs_follow_each_other(shell: Shell, scan: Path) -> None:
    first = shell("run", "pl-copy", scan).stdout.strip()
    second = shell("run", "pl-obedient", "--previous", first, "--", "--seconds", "2").stdout.strip()
    watched = shell("watch", second)
    assert watched.returncode == 0, watched.stderr
    assert f"chrysalis download {second}" in watched.stderr
    for step in ("queued", "started", "finished"):
        assert step in watched.stderr
    assert shell("logs", second).stdout == "waiting\nI end with 0\n"


def test_a_failed_job_fails_the_command_with_its_last_words(shell: Shell, scan: Path) -> None:
    ran = shell("run", "pl-obedient", scan, "--wait", "--", "--code", "7")
    assert ran.returncode == 1
    assert "pl-obedient) failed" in ran.stderr
    assert f"chrysalis logs {ran.stdout.strip()}" in ran.stderr
    assert "I end with 7" in shell("logs", ran.stdout.strip()).stdout


def test_a_cancelled_job_ends_the_watch(shell: Shell, scan: Path) -> None:
    job = shell("run", "pl-obedient", scan, "--", "--seconds", "600").stdout.strip()
    with shell.begin("watch", job) as watch:
        assert watch.stderr is not None
        while watch.stderr.readline().strip() != "started":
            assert watch.poll() is None
        assert shell("cancel", job).returncode == 0
        assert watch.wait(30) == 1
        assert "was cancelled" in watch.stderr.read()


def test_ctrl_c_leaves_the_job_and_says_so(shell: Shell, scan: Path) -> None:
    job = shell("run", "pl-obedient", scan, "--", "--seconds", "600").stdout.strip()
    with shell.begin("watch", job) as watch:
        assert watch.stderr is not None
        assert watch.stderr.readline()
        watch.send_signal(signal.SIGINT)
        assert watch.wait(10) == 130
        said = watch.stderr.read()
    assert "Stopped." in said
    assert "Traceback" not in said
    assert shell("cancel", job).returncode == 0


def test_plugins_are_listed(shell: Shell) -> None:
    listed = shell("plugin", "list").stdout
    assert [word for word in ("pl-copy", "pl-obedient", "pl-dircopy") if word in listed] == [
        "pl-copy",
        "pl-obedient",
        "pl-dircopy",
    ]


def test_a_quiet_server_has_no_dead_letters(shell: Shell) -> None:
    listed = shell("dead-letters", "list")
    assert (listed.returncode, listed.stdout) == (0, ""), listed.stderr
    assert shell("dead-letters", "replay").stdout == "0 sent again\n"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("run", "pl-none", "home/admin/uploads/x"), 4, "There is no plugin 'pl-none' here (known: pl-copy"),
        (("run", "pl-copy"), 2, "pl-copy needs an input"),
        (("run", "pl-copy", "nowhere"), 2, "There is no 'nowhere' on this disk"),
        (("run", "pl-copy", "home/admin/uploads/none"), 4, "The server refuses"),
        (("run", "pl-obedient", "home/admin/uploads/x", "--", "--code", "x"), 2, "takes a number"),
        (("run", "pl-obedient", "home/admin/uploads/x", "--", "--none"), 2, "takes no '--none'"),
        (("run", "pl-copy", "--previous", "999999"), 4, "The server refuses"),
        (("watch", "999999"), 4, "check the number"),
        (("download", "home/admin/none"), 4, "There is no folder"),
        (("cancel", "one"), 2, "not a valid integer"),
        (("retry", "999999"), 4, "check the number"),
        (("retry", "one"), 2, "not a valid integer"),
        (("logs",), 2, "Missing argument 'NUMBER'"),
        (("run", "pl-copy", "home/admin/uploads/x", "--previous", "1"), 2, "Give either a folder or --previous"),
        (("completion", "csh"), 2, "is not one of 'bash', 'zsh', 'fish'"),
        (("nonsense",), 2, "No such command 'nonsense'"),
        (("plugin", "add", "./nowhere"), 4, ""),
    ],
)
def test_errors_are_a_sentence_and_an_exit_code(shell: Shell, words: tuple[str, ...], code: int, sentence: str) -> None:
    done = shell(*words)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_server_the_exit_code_is_3(user: Callable[[Path], Shell], tmp_path: Path) -> None:
    done = user(tmp_path)("plugin", "list")
    assert done.returncode == 3
    assert "chrysalis serve" in done.stderr


def test_a_second_server_of_one_home_is_refused(shell: Shell) -> None:
    done = shell("serve", "--port", "0")
    assert done.returncode == 4
    assert "A server already uses" in done.stderr


def test_the_series_of_the_kit_comes_back_byte_for_byte(shell: Shell, tmp_path: Path) -> None:
    series.unpack(kit(), tmp_path / "series")
    assert shell("upload", tmp_path / "series", "--to", "home/admin/uploads/kit").returncode == 0
    assert shell("download", "home/admin/uploads/kit", tmp_path / "back").returncode == 0
    sent = digests(tmp_path / "series")
    assert len(sent) == 192
    assert digests(tmp_path / "back") == sent
