"""The folders that a plugin writes: how much lies in them, and making them readable once it has ended.

A plugin may give its files any mode and nest its folders as it likes; what is met here is never trusted or followed.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def entries(folder: Path, *, opened: bool = False) -> Iterator[tuple[str, os.stat_result]]:
    """All below a folder. Links are not followed, the unreadable is left out; `opened`: it is made readable first."""
    waiting = [str(folder)]
    while waiting:
        place = waiting.pop()
        with suppress(OSError), os.scandir(place) as found:
            for entry in found:
                with suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    if opened:
                        _open_one(entry.path, about.st_mode)
                    yield entry.path, about
                    if stat.S_ISDIR(about.st_mode):
                        waiting.append(entry.path)


def size(*folders: Path) -> int:
    """Bytes on the disk that these folders hold. A file with many names counts once per name."""
    return sum(about.st_blocks * 512 for folder in folders for _, about in entries(folder))


def open_up(folder: Path) -> None:
    """Let the owner read and write all of it, and take away the bits that lend a program its owner's rights."""
    for _ in entries(folder, opened=True):
        pass


def _open_one(path: str, mode: int) -> None:
    """A link is left alone: chmod would follow it. (Nobody can swap one in: what wrote here is dead.)"""
    needed = 0o700 if stat.S_ISDIR(mode) else 0o600
    wanted = mode & 0o777 | needed
    if (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and stat.S_IMODE(mode) != wanted:
        Path(path).chmod(wanted)


def remove(folder: Path, *, writable: tuple[str, ...] = ()) -> None:
    """Remove a folder; `writable` names those in it that a plugin wrote. Safe to repeat.

    Folders nested deeper than Python's recursion goes are left to `rm`.
    """
    for name in writable:
        open_up(folder / name)
    with suppress(OSError, RecursionError):
        shutil.rmtree(folder)
    if folder.exists():
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, capture_output=True, timeout=600)
