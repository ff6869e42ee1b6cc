"""What an output is called in the store: commas are removed, and names that then clash are kept apart. Pure.

CUBE removes commas too (plugin-contract, section 5). Of entries that want one name, the one that has it already keeps
it; the others, in the order of their paths, get `_2`, `_3`, ... before their suffix. So the names do not depend on when
or how often a folder is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 255
"""Bytes of a name, as on Linux."""
LINK = ".chrislink"
SUFFIX = re.compile(r"(?<=[^.])(\.[A-Za-z][A-Za-z0-9]{0,7}){1,2}$")
"""As in `.dcm`, `.nii.gz`; not the last numbers of a UID."""
DOTS = {".": "_", "..": "__"}


def clean(name: str) -> str:
    """The name without commas; empty if nothing but spaces is left. Never one that means a folder above."""
    kept = name.replace(",", "")
    return DOTS.get(kept, kept) if kept.strip(" ") else ""


def is_link(name: str) -> bool:
    """Is it a ChRIS link, or would it become one?"""
    return clean(name).endswith(LINK)


def number(name: str, count: int) -> str:
    """`scan.nii.gz` as `scan_2.nii.gz`, within the length that a name may have."""
    match = SUFFIX.search(name)
    stem, suffix = (name[: match.start()], match[0]) if match else (name, "")
    tail = f"_{count}{suffix}"
    room = LONGEST - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail


def assign(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each entry of one folder, all different, in the order given.

    An entry is its path as a tuple of names: one name, or more where folders above it were dissolved. Of each last
    name, something is left when it is cleaned.
    """
    order = sorted(range(len(paths)), key=lambda at: (len(paths[at]) > 1 or "," in paths[at][-1], paths[at]))
    taken: set[str] = set()
    counts: dict[str, int] = {}
    names = [""] * len(paths)
    for at in order:
        wanted = name = clean(paths[at][-1])
        while name in taken:
            counts[wanted] = counts.get(wanted, 1) + 1
            name = number(wanted, counts[wanted])
        taken.add(name)
        names[at] = name
    return names
