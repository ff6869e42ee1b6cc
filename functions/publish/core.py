"""What publish decides: whether the outputs are what the manifests say, and whether they fit together. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from functions.objects import ObjectInfo
from functions.records import Output

Manifest = dict[str, Any]
"""The `manifest` part of an `outputs` record: key, digest (SHA-256 in hex), count, bytes."""


def parse_manifest(body: bytes) -> Iterator[Output]:
    """The lines of a manifest. Raises ValueError or TypeError if one is damaged."""
    for line in body.split(b"\n"):
        if line:
            yield Output(**json.loads(line))


def check_manifest(manifest: Manifest, body: bytes, prefix: str) -> tuple[list[Output], str]:
    """The outputs that a manifest lists, or what is wrong with it."""
    if hashlib.sha256(body).hexdigest() != manifest["digest"]:
        return [], "a manifest is not the one that was committed"
    try:
        outputs = list(parse_manifest(body))
    except (ValueError, TypeError):
        return [], "a manifest is damaged"
    if len(outputs) != manifest["count"]:
        return [], f"a manifest lists {len(outputs)} files where {manifest['count']} were committed"
    stray = next((output.path for output in outputs if not output.key.startswith(prefix)), None)
    return outputs, f"the output {stray!r} lies outside of its job" if stray is not None else ""


def find_fault(outputs: Iterable[Output], found: Mapping[str, ObjectInfo]) -> str:
    """What is wrong with outputs that were committed, compared with the objects that are there."""
    for output in outputs:
        info = found.get(output.key)
        if info is None:
            return f"the output {output.path!r} is not in the store"
        if info.size != output.size:
            return f"the output {output.path!r} has {info.size} bytes where {output.size} were written"
        if output.etag and info.etag != output.etag:
            return f"the output {output.path!r} was changed after it was uploaded"
    return ""


def find_clash(manifests: Sequence[Sequence[Output]]) -> str:
    """Whether two pods wrote the same path with different contents; the sentence names it."""
    seen: dict[str, str] = {}
    for outputs in manifests:
        for output in outputs:
            if seen.setdefault(output.path, output.digest) != output.digest:
                return f"two pods of the job wrote different contents to {output.path!r}"
    return ""
