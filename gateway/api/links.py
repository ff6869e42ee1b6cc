"""The addresses of resources, absolute, in the format that the client chose. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Links:
    """`base` is scheme and host; `paths` gives a resource's path by its name, with `{}` for each part that varies.

    A format that came as a suffix (`plugins.json`) or as `?format=json` is kept in every link.
    """

    base: str
    paths: Mapping[str, str]
    suffix: str = ""
    format: str = ""

    def to(self, name: str, *parts: object) -> str:
        """The URL of the resource `name`."""
        path = self.paths[name].format(*parts) if parts else self.paths[name]
        if self.suffix and path.endswith("/"):
            path = f"{path[:-1]}.{self.suffix}"
        return self.base + path + (f"?format={self.format}" if self.format else "")

    def maybe(self, name: str, part: object | None) -> str | None:
        """The URL, or None if there is nothing to point at."""
        return None if part is None else self.to(name, part)

    def file(self, name: str, number: int, filename: str) -> str:
        """The URL of the bytes of a file, which ends in the file's own name."""
        return self.base + self.paths[name].format(number, quote(filename))
