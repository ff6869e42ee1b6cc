"""The home of a server on one machine: shut to others, one server at a time, keys that outlive it."""

from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from functions.errors import Permanent, Refused
from functions.tokens import Claims, verify
from gateway.embedded.home import Credentials, Home, new_password

CLAIMS = Claims("lab", "job-1", 1)
HOLD = (
    "import sys; from pathlib import Path; from gateway.embedded.home import Home\n"
    "lock = Home(Path(sys.argv[1])).lock(); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def modes(root: Path) -> set[tuple[str, str]]:
    return {(kind(path), oct(stat.S_IMODE(path.stat().st_mode))) for path in [root, *root.rglob("*")]}


def kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def hold(home: Home) -> subprocess.Popen[bytes]:
    """A process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(home.root)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.readline() == b"held\n"
    return child


def end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.communicate()


# where, and who may read it


def test_the_environment_names_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Home.from_environment({"CHRYSALIS_HOME": "/data/lab"}).root == Path("/data/lab")
    assert Home.from_environment({"CHRYSALIS_HOME": "~/lab"}).root == tmp_path / "lab"
    assert Home.from_environment({"CHRYSALIS_HOME": "lab"}).root == tmp_path / "lab"
    for environment in ({}, {"CHRYSALIS_HOME": ""}):
        assert Home.from_environment(environment).root == tmp_path / ".chrysalis"


def test_nobody_else_may_read_a_home(home: Home) -> None:
    old = os.umask(0)
    try:
        home.create()
        home.write_credentials(Credentials("http://127.0.0.1:1", "chris", "secret"))
        home.lock().release()
    finally:
        os.umask(old)
    assert modes(home.root) == {("folder", "0o700"), ("file", "0o600")}


def test_a_folder_that_stood_open_is_shut(tmp_path: Path) -> None:
    (tmp_path / "open" / "store").mkdir(parents=True)
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "open" / "store").chmod(0o777)
    Home(tmp_path / "open").create()
    assert {mode for what, mode in modes(tmp_path / "open") if what == "folder"} == {"0o700"}


def test_creating_again_keeps_everything(home: Home) -> None:
    (home.store / "scan").write_bytes(b"x")
    token = home.minter().mint(CLAIMS)
    home.create()
    assert (home.store / "scan").read_bytes() == b"x"
    assert verify(token, home.token_keys()) == CLAIMS


def test_a_home_that_cannot_be_is_refused_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Permanent, match=r"cannot be used.*Set CHRYSALIS_HOME"):
        Home(tmp_path / "file" / "home").create()


def test_a_home_of_another_user_is_refused(tmp_path: Path) -> None:
    place = tmp_path
    if os.geteuid() == 0:
        os.chown(place, 12345, 12345)
    else:
        place = Path("/usr")
    with pytest.raises(Permanent, match="belongs to another user"):
        Home(place).create()


# the lock


def test_a_second_server_is_refused_by_the_pid_of_the_first(home: Home) -> None:
    child = hold(home)
    try:
        with pytest.raises(Permanent, match=rf"already uses .* \(process {child.pid}\)"):
            home.lock()
    finally:
        end(child)
    home.lock().release()


def test_a_lock_in_the_same_process_holds_too(home: Home) -> None:
    with home.lock(), pytest.raises(Permanent, match=f"process {os.getpid()}"):
        home.lock()
    home.lock().release()


def test_a_program_that_the_server_started_does_not_keep_the_lock(home: Home) -> None:
    lock = home.lock()
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        lock.release()
        home.lock().release()
    finally:
        child.kill()
        child.wait()


def create_in(root: Path, ready: object) -> None:
    ready.wait()  # type: ignore[attr-defined]
    Home(root).create()


def test_two_that_create_one_home_agree_on_its_keys(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    children = [context.Process(target=create_in, args=(tmp_path / "home", barrier)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    assert sorted(path.name for path in (tmp_path / "home" / "keys").rglob("*.*")) == ["1.key", "1.pem"]


# keys


def test_keys_outlive_the_server(home: Home) -> None:
    token = home.minter().mint(CLAIMS)
    signature = home.signing_keys().sign("id", data=b"x")
    again = Home(home.root)
    assert verify(token, again.token_keys()) == CLAIMS
    assert again.signing_keys().verify(signature, "id", data=b"x")


def test_the_last_keys_are_believed_and_older_ones_are_not(home: Home) -> None:
    token = home.minter().mint(CLAIMS)
    signature = home.signing_keys().sign("id", data=b"x")
    home.rotate_keys()
    assert home.signing_keys().sign("id", data=b"x") != signature
    assert home.signing_keys().verify(signature, "id", data=b"x")
    assert verify(token, home.token_keys()) == CLAIMS
    home.rotate_keys()
    assert not home.signing_keys().verify(signature, "id", data=b"x")
    with pytest.raises(Refused):
        verify(token, home.token_keys())
    assert len(list((home.root / "keys").rglob("*.*"))) == 4


def test_keys_of_a_home_that_is_not_made_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="start the server once"):
        Home(tmp_path).signing_keys()


# credentials


def test_credentials_are_read_as_they_were_written(home: Home) -> None:
    for token in ("first", "second"):
        written = Credentials("http://127.0.0.1:8000", "chris", token)
        home.write_credentials(written)
        assert home.read_credentials() == written
    assert [path.name for path in home.root.iterdir() if "credentials" in path.name] == ["credentials"]


def test_missing_or_damaged_credentials_are_a_sentence(home: Home) -> None:
    with pytest.raises(Permanent, match="chrysalis serve"):
        home.read_credentials()
    for damage in ("", "[]", "{}", '{"address": 1'):
        home.credentials.write_text(damage)
        with pytest.raises(Permanent, match="chrysalis serve"):
            home.read_credentials()


def test_passwords_are_random_and_can_be_read_out() -> None:
    passwords = {new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(len(word) == 24 and not set(word) & set("0O1lI") for word in passwords)
