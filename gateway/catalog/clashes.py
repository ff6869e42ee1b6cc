"""Names that clash when files of several places are put into one folder: kept apart, always in the same way. Pure.

What lies there already keeps its name, so does whichever comes first. A later one of the same name gets a mark before
its suffix, such as the number of the instance that it comes from: `scan.nii.gz` becomes `scan_12.nii.gz`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count

from gateway.catalog import paths

SUFFIX = re.compile(r"(?<=[^.])(\.[A-Za-z][A-Za-z0-9]{0,7}){1,2}$")
"""As in `.dcm`, `.nii.gz`; not the last numbers of a UID."""
LONGEST = 255
"""Bytes of a name, as on Linux."""


class Names:
    """The paths that are taken in a folder: files with the keys of their bytes, and the folders that hold them."""

    def __init__(self, files: Iterable[tuple[str, str]] = (), folders: Iterable[str] = ()) -> None:
        self.files = dict(files)
        self.folders = {above for path in folders for above in paths.ancestors(path)}
        self.folders |= {above for path in self.files for above in paths.ancestors(paths.split(path)[0])}

    def take(self, path: str, key: str, mark: str) -> str | None:
        """The path under which a file can be put; None if the same bytes lie at this path already.

        A folder whose name is a file's is marked, a file whose name is a file's or a folder's.
        """
        *above, name = path.split("/")
        folder = ""
        for part in above:
            folder = next(one for one in choices(folder, part, mark) if one not in self.files)
            self.folders.add(folder)
        for choice in choices(folder, name, mark):
            if self.files.get(choice) == key:
                return None
            if choice not in self.files and choice not in self.folders:
                self.files[choice] = key
                return choice
        raise AssertionError("There is no end of names.")


def choices(folder: str, name: str, mark: str) -> Iterable[str]:
    """The name itself, then marked, then marked and numbered from 2 on."""
    yield paths.join(folder, name)
    if mark:
        yield paths.join(folder, marked(name, mark))
    for number in count(2):
        yield paths.join(folder, marked(name, f"{mark}_{number}" if mark else str(number)))


def marked(name: str, mark: str) -> str:
    """`scan.nii.gz` as `scan_12.nii.gz`, within the length that a name may have."""
    found = SUFFIX.search(name)
    stem, suffix = (name[: found.start()], found[0]) if found else (name, "")
    tail = f"_{mark}{suffix}"
    return stem.encode()[: LONGEST - len(tail.encode())].decode(errors="ignore") + tail
