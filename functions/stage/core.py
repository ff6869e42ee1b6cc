"""What stage decides, as data: which objects to look at, and whether all inputs are as the gateway released them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from functions.objects import ObjectInfo
from functions.records import Input

LIST_FROM = 8
"""From so many inputs in a folder on, one listing is cheaper than asking for each."""
NAMED = 5
"""So many missing files are named in a sentence."""


@dataclass(frozen=True)
class Look:
    """How to look at all inputs with few calls: keys one by one, and spans of folders (first and last key wanted)."""

    heads: tuple[str, ...]
    spans: Mapping[str, tuple[str, str]]


def plan_look(inputs: Iterable[Input]) -> Look:
    folders: dict[str, set[str]] = defaultdict(set)
    for item in inputs:
        folders[item.key.rpartition("/")[0]].add(item.key)
    heads = [key for keys in folders.values() if len(keys) < LIST_FROM for key in sorted(keys)]
    spans = {f"{folder}/" if folder else "": span(keys) for folder, keys in folders.items() if len(keys) >= LIST_FROM}
    return Look(tuple(heads), spans)


def span(keys: set[str]) -> tuple[str, str]:
    """First and last key in the order of a listing (UTF-8 bytes)."""
    ordered = sorted(keys, key=str.encode)
    return ordered[0], ordered[-1]


@dataclass(frozen=True)
class Frozen:
    """Inputs as they are now, or what is wrong with them, in sentences."""

    inputs: tuple[Input, ...]
    faults: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(item.size for item in self.inputs)


def freeze(inputs: Sequence[Input], found: Mapping[str, ObjectInfo]) -> Frozen:
    """Pin each input to the object that is there. An object that was overwritten since the release is a fault."""
    faults = [fault for item in inputs if (fault := find_fault(item, found.get(item.key)))]
    if faults:
        return Frozen((), tuple(faults))
    return Frozen(tuple(pin(item, found[item.key]) for item in inputs))


def find_fault(item: Input, info: ObjectInfo | None) -> str:
    if info is None:
        return f"the input file {item.path!r} is no longer in the store"
    if item.etag and item.etag != info.etag:
        return f"the input file {item.path!r} was overwritten after the job was submitted"
    if item.size != info.size:
        return f"the input file {item.path!r} has {info.size} bytes where {item.size} were registered"
    return ""


def pin(item: Input, info: ObjectInfo) -> Input:
    return replace(item, etag=info.etag, version=info.version)


def complain(faults: Sequence[str]) -> str:
    """One sentence for the user: names the first files, counts the others, says what to do."""
    named = "; ".join(faults[:NAMED])
    more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return f"The job cannot start: {named}{more}. Upload the files again and submit a new job."
