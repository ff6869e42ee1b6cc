"""Paths of the user's tree: text without slashes at its ends; "" is the root. Pure.

Folders are folders, not prefixes of text: what lies below `feed_1` never lies below `feed_10` (design section 4).
"""

from __future__ import annotations

from gateway.catalog.faults import Faulty

LONGEST = 1024
"""The most bytes of a path, as object stores count them."""
OPEN_ROOTS = ("home/", "SERVICES/", "PIPELINES/")
"""Where paths that are given to plugins must lie (CUBE's rule)."""


def clean(path: str, *, field: str = "path") -> str:
    """A path as the catalog keeps it. Raises Faulty if it is no path, or leaves the tree."""
    path = path.strip().strip("/")
    parts = path.split("/") if path else []
    if any(part in ("", ".", "..") or part != part.strip() for part in parts):
        raise Faulty(
            {field: [f"Invalid path {path!r}: a name in it is empty, '.', '..', or begins or ends with a space."]}
        )
    if any(not character.isprintable() for character in path):
        raise Faulty({field: ["Invalid path: it has characters that cannot be printed."]})
    if len(path.encode(errors="replace")) > LONGEST:
        raise Faulty({field: [f"Invalid path: it is longer than {LONGEST} bytes."]})
    return path


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def split(path: str) -> tuple[str, str]:
    """The folder and the name of a path."""
    folder, _, name = path.rpartition("/")
    return folder, name


def ancestors(path: str) -> list[str]:
    """The path itself and all folders above it, from the root down: `["", "home", "home/ann"]`."""
    parts = path.split("/") if path else []
    return [""] + ["/".join(parts[: end + 1]) for end in range(len(parts))]


def after_descendants(path: str) -> str:
    """The first text, in byte order, after everything below `path`: "/" is followed by "0"."""
    return f"{path}0"


def listed(value: str) -> list[str]:
    """The paths of a comma-separated value."""
    return [path.strip().strip("/") for path in value.split(",") if path.strip().strip("/")]
