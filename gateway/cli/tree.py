"""Trees for people: the jobs of a feed, and the files of a folder. Pure but for the folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rich.filesize import decimal
from rich.markup import escape
from rich.tree import Tree

from gateway.cli.client import Value

COLOURS = {"finishedSuccessfully": "green", "finishedWithError": "red", "cancelled": "yellow", "started": "cyan"}
MOST = 40
"""Lines of a tree that are shown."""


@dataclass(frozen=True)
class Result:
    """A file that a plugin wrote: its path below the output folder, its size in bytes; `lost`: why it is not kept."""

    path: str
    size: int
    lost: str = ""


def of_feed(instances: list[Value], number: int) -> Tree:
    """The jobs of a feed below each other; `number` is the one that is watched."""
    ordered = sorted(instances, key=lambda one: int(one["id"]))
    known = {int(one["id"]) for one in ordered}
    top = Tree("", hide_root=True)
    nodes: dict[int, Tree] = {}
    for one in ordered:  # a job is always younger than its parent
        parent = one.get("previous_id")
        above = nodes[int(parent)] if parent is not None and int(parent) in known else top
        nodes[int(one["id"])] = above.add(line(one, watched=int(one["id"]) == number))
    return top


def line(instance: Value, *, watched: bool) -> str:
    name, status = escape(str(instance["plugin_name"])), str(instance["status"])
    title = escape(str(instance.get("title") or ""))
    what = f"{instance['id']} {name}{f' “{title}”' if title and title != name else ''}"
    return f"{f'[bold]{what}[/bold]' if watched else what}  [{COLOURS.get(status, 'dim')}]{status}[/]"


def results(folder: Path) -> list[Result]:
    """Every file that a plugin left, and what becomes of it: links and .chrislink files are not kept by ChRIS."""
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in [*names, *(one for one in folders if Path(place, one).is_symlink())]:
            path = Path(place, name)
            lost = "a link" if path.is_symlink() else "no file" if not path.is_file() else ""
            lost = lost or ("a .chrislink" if name.endswith(".chrislink") else "")
            found.append(Result(path.relative_to(folder).as_posix(), path.lstat().st_size, lost))
    return sorted(found, key=lambda one: PurePosixPath(one.path).parts)


def of_results(name: str, found: Iterable[Result]) -> Tree:
    """Files in their folders, with their sizes; the first MOST of them."""
    shown = list(found)
    kept = [one for one in shown if not one.lost]
    top = Tree(f"{escape(name)}  {len(kept)} files, {decimal(sum(one.size for one in kept))}")
    nodes = {PurePosixPath("."): top}
    for one in shown[:MOST]:
        path = PurePosixPath(one.path)
        for folder in reversed(path.parents):
            if folder not in nodes:
                nodes[folder] = nodes[folder.parent].add(f"{escape(folder.name)}/")
        what = f"[yellow]left out: {one.lost}[/]" if one.lost else decimal(one.size)
        nodes[path.parent].add(f"{escape(path.name)}  {what}")
    if len(shown) > MOST:
        top.add(f"… and {len(shown) - MOST} more")
    return top
