"""The sandbox: its command line, and what can be seen and done from inside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.embedded import sandbox
from gateway.embedded.sandbox import Rooms

ROOMS = Rooms(Path("/home/me/.chrysalis/plugins/x/1"), Path("/home/me/.chrysalis/plugins/x/1"), 1_234_567)
Python = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def bwrap() -> str:
    found = sandbox.find()
    assert found, [f"{path}: {sandbox.fault(path)}" for path in sandbox._candidates()]
    return found


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    for name in ("incoming", "outgoing", "scratch"):
        (tmp_path / name).mkdir()
    (tmp_path / "incoming/a.txt").write_text("hello")
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    return Rooms(
        environment, environment, 1_234_567, sandbox.prefixes(environment),
        tmp_path / "incoming", tmp_path / "outgoing", tmp_path / "scratch", 8 << 20,
    )  # fmt: skip


@pytest.fixture
def python(bwrap: str, rooms: Rooms) -> Python:
    """`python(code)`: run it in a sandbox."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        words = sandbox.arguments(bwrap, rooms, ["python", "-c", code])
        variables = {"PATH": f"{rooms.place}/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run(words, env=variables, capture_output=True, text=True, check=False)

    return run


def pairs(words: list[str], option: str) -> set[tuple[str, str]]:
    return {(words[n + 1], words[n + 2]) for n, word in enumerate(words) if word == option}


# the command line


def test_inputs_are_bound_read_only_and_outputs_writable() -> None:
    words = sandbox.arguments("bwrap", replace(ROOMS, incoming=Path("/r/in"), outgoing=Path("/r/out")), ["tool"])
    assert ("/r/in", "/share/incoming") in pairs(words, "--ro-bind")
    assert pairs(words, "--bind") == {("/r/out", "/share/outgoing")}
    assert words[-3:] == ["/tmp", "--", "tool"]


def test_no_network_and_no_capability_is_left() -> None:
    words = sandbox.arguments("bwrap", ROOMS, ["tool"])
    assert {"--unshare-net", "--unshare-pid", "--unshare-user", "--disable-userns", "--die-with-parent"} <= set(words)
    assert words[words.index("--cap-drop") + 1] == "ALL" and "--share-net" not in words


def test_an_environment_that_is_being_built_is_shown_where_it_will_lie() -> None:
    words = sandbox.arguments("bwrap", replace(ROOMS, environment=Path("/b/.building")), ["tool"])
    assert ("/b/.building", str(ROOMS.place)) in pairs(words, "--ro-bind")


def test_a_python_that_holds_somebodys_home_shows_only_its_programs(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(f"home = {tmp_path}/me/bin\n")
    (environment / "bin/python").symlink_to(tmp_path / "me/bin/python3")
    (tmp_path / "me/bin").mkdir(parents=True)
    (tmp_path / "me/bin/python3").touch()
    assert sandbox.prefixes(environment) == (tmp_path / "me",)
    hidden = sandbox.prefixes(environment, hidden=[tmp_path / "me/.chrysalis"])
    assert hidden == (tmp_path / "me/bin", tmp_path / "me/lib")


def test_a_python_of_the_system_needs_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (tmp_path / "bin/python").symlink_to("/usr/bin/env")
    assert sandbox.prefixes(tmp_path) == ()


def test_a_bwrap_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2; exit 1\n")
    broken.chmod(0o755)
    assert sandbox.fault(str(broken)) == "setting up uid map: Permission denied"
    assert "No such file" in sandbox.fault(str(tmp_path / "none"))


# from inside


def test_a_plugin_reads_its_inputs_and_cannot_change_them(python: Python) -> None:
    assert python("print(open('/share/incoming/a.txt').read())").stdout == "hello\n"
    for attempt in ("open('/share/incoming/a.txt', 'a')", "os.remove('/share/incoming/a.txt')",
                    "os.chmod('/share/incoming/a.txt', 0o777)", "open('/share/incoming/b.txt', 'w')"):  # fmt: skip
        assert "Read-only file system" in python(f"import os; {attempt}").stderr


def test_a_plugin_writes_outputs_home_shared_memory_and_the_root(python: Python, rooms: Rooms) -> None:
    code = "[open(p + '/x', 'w').write('y') for p in ('/share/outgoing', '/tmp', '/var/tmp', '/dev/shm', '/')]"
    assert python(code).returncode == 0
    assert rooms.outgoing and (rooms.outgoing / "x").read_text() == "y"


def test_shared_memory_has_the_size_that_was_asked(python: Python) -> None:
    assert python("import os; s = os.statvfs('/dev/shm'); print(s.f_blocks * s.f_frsize)").stdout == f"{8 << 20}\n"


def test_a_plugin_is_a_random_user_without_name_or_power(python: Python) -> None:
    code = "import os; print(os.getuid(), os.getgid(), os.path.exists('/etc/passwd'), open('/proc/self/status').read())"
    told = python(code).stdout
    assert told.startswith("1234567 1234567 False")
    assert "CapEff:\t0000000000000000" in told and "CapBnd:\t0000000000000000" in told and "NoNewPrivs:\t1" in told


def test_a_plugin_has_no_network(python: Python) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)"
        assert "ConnectionRefusedError" in python(code).stderr
    assert python("import socket; print(socket.if_nameindex())").stdout == "[(1, 'lo')]\n"


def test_a_plugin_sees_no_process_but_its_own(python: Python) -> None:
    assert int(python("import os; print(sum(n.isdigit() for n in os.listdir('/proc')))").stdout) <= 3


def test_a_plugin_sees_nothing_else_of_the_machine(python: Python, tmp_path: Path, rooms: Rooms) -> None:
    (tmp_path / "secret").write_text("the scan of somebody else")
    hidden = [tmp_path / "secret", Path.home() / ".ssh", Path("/etc/passwd"), Path("/etc/hosts"), Path("/sys/fs")]
    shown = python(
        f"import os; print([p for p in {[str(p) for p in hidden]} if os.path.exists(p)], os.listdir('/etc'))"
    )
    assert shown.stdout.startswith("[] ") and "shadow" not in shown.stdout
    assert set(python("import os; print(*os.listdir('/share'))").stdout.split()) == {"incoming", "outgoing"}


@pytest.mark.parametrize("file", ["sys/kernel/core_pattern", "sys/vm/swappiness", "irq/default_smp_affinity"])
def test_a_plugin_cannot_set_anything_in_the_kernel(python: Python, file: str) -> None:
    """Opened only, never written: where this fails, the machine that tests must not suffer."""
    refused = python(f"import os; os.close(os.open('/proc/{file}', os.O_WRONLY))")
    assert "Read-only file system" in refused.stderr or "Permission denied" in refused.stderr


def test_a_plugin_cannot_gain_power_in_a_namespace_of_its_own(python: Python) -> None:
    code = "import ctypes; c = ctypes.CDLL(None, use_errno=True); print(c.unshare(0x10000000), ctypes.get_errno())"
    assert python(code).stdout.split()[0] == "-1"


def test_a_plugin_cannot_change_its_environment(python: Python, rooms: Rooms) -> None:
    assert "Read-only file system" in python(f"open('{rooms.place}/pyvenv.cfg', 'a')").stderr


def test_the_exit_code_is_reported_and_a_command_that_is_not_there_has_none(bwrap: str, rooms: Rooms) -> None:
    from gateway.embedded.plugin import reported_code

    for command, expected in ((["/bin/sh", "-c", "exit 7"], 7), (["/no/such/tool"], None)):
        reader, writer = os.pipe()
        words = sandbox.arguments(bwrap, rooms, command, status=writer)
        subprocess.run(words, pass_fds=[writer], check=False, capture_output=True)
        os.close(writer)
        with open(reader, "rb") as report:
            assert reported_code(report.read()) == expected


def test_the_python_of_this_test_is_among_those_that_are_found(rooms: Rooms) -> None:
    """Where Python is not the system's own, its folder must be shown, or no plugin would start."""
    base = Path(sys.base_prefix)
    assert base == Path("/usr") or Path("/usr") in base.parents or base in rooms.prefixes
