"""Descriptors of plugins: JSON that says what a plugin is called and takes, checked under CUBE's rules. Pure.

Source: `plugin-contract.md` sections 2 and 3 (CUBE's `plugins/admin.py` and `plugins/serializers.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog import limits, values
from gateway.catalog.faults import Faults, Faulty
from gateway.catalog.plugins import UNLIMITED

TYPES = ("fs", "ds", "ts")
PARAMETER_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "float",
    "bool": "boolean",
    "path": "path",
    "unextpath": "unextpath",
}
"""The types of descriptors, as the API and the catalog call them."""
ACTIONS = ("store", "store_true", "store_false")
REQUIRED = {"name": 100, "dock_image": 500, "version": 10, "execshell": 50, "selfpath": 512, "selfexec": 50}
OPTIONAL = {
    "title": 400,
    "category": 100,
    "icon": 300,
    "authors": 200,
    "documentation": 800,
    "license": 50,
    "public_repo": 300,
    "description": 2000,
}
"""Texts, and the most characters that each may have."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A plugin's name is the name of folders too."""
VERSION = re.compile(r"[0-9.]+")
RANGES: dict[str, tuple[Callable[[Any], int], int, int]] = {
    "number_of_workers": (limits.whole, 1, UNLIMITED),
    "cpu_limit": (limits.cpu, 1000, UNLIMITED),
    "memory_limit": (limits.memory, 200, UNLIMITED),
    "gpu_limit": (limits.whole, 0, 0),
}
"""The limits, how each is written, and CUBE's least and most where the descriptor says nothing."""


@dataclass(frozen=True)
class Parameter:
    """One parameter, in the catalog's words; `default` is None where there is none."""

    name: str
    type: str
    optional: bool
    default: values.Value | None
    flag: str
    short_flag: str
    action: str
    help: str
    ui_exposed: bool


@dataclass(frozen=True)
class Descriptor:
    """A checked descriptor. `texts` has every text field; `limits` every `min_...` and `max_...`."""

    type: str
    texts: dict[str, str]
    limits: dict[str, int]
    parameters: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        return self.texts["name"]

    @property
    def version(self) -> str:
        return self.texts["version"]


def parse(raw: Mapping[str, Any]) -> Descriptor:
    """The descriptor that this JSON object says. Raises Faulty with all that is wrong with it, by field."""
    faults = Faults()
    kind = raw.get("type", "ds")
    if kind not in TYPES:
        faults.add("type", f"Invalid type {kind!r}: it must be one of {', '.join(TYPES)}.")
    descriptor = Descriptor(
        type=str(kind),
        texts=parse_texts(raw, faults),
        limits=parse_limits(raw, faults),
        parameters=parse_parameters(raw.get("parameters"), faults),
    )
    faults.close()
    return descriptor


def parse_texts(raw: Mapping[str, Any], faults: Faults) -> dict[str, str]:
    texts = {name: _text(raw, name, longest, faults) for name, longest in {**REQUIRED, **OPTIONAL}.items()}
    for name in REQUIRED:
        if not texts[name] and name not in faults.found:
            faults.add(name, "This field is required.")
    if texts["version"] and not VERSION.fullmatch(texts["version"]):
        faults.add("version", f"Invalid version {texts['version']!r}: it may have digits and dots only.")
    if texts["name"] and not NAME.fullmatch(texts["name"]):
        faults.add(
            "name", f"Invalid name {texts['name']!r}: it may have letters, digits, dots, dashes and underscores."
        )
    return texts


def parse_limits(raw: Mapping[str, Any], faults: Faults) -> dict[str, int]:
    """All limits; an absent or empty one is CUBE's default. A plugin that needs a GPU may have any number of them."""
    found: dict[str, int] = {}
    for name, (parse_one, least, most) in RANGES.items():
        low = _limit(raw, f"min_{name}", parse_one, least, faults)
        high = _limit(raw, f"max_{name}", parse_one, UNLIMITED if name == "gpu_limit" and low > 0 else most, faults)
        if name == "number_of_workers" and low < 1:
            faults.add(f"min_{name}", "Ensure this value is greater than or equal to 1.")
        if high < low:
            faults.add(f"max_{name}", f"Invalid value: it is less than min_{name} ({low}).")
        found |= {f"min_{name}": low, f"max_{name}": high}
    return found


def parse_parameters(raw: Any, faults: Faults) -> tuple[Parameter, ...]:
    if not isinstance(raw, list) or not all(isinstance(one, Mapping) for one in raw):
        faults.add("parameters", "This field is required: a list of objects, which may be empty.")
        return ()
    parameters = []
    for place, one in enumerate(raw):
        try:
            parameters.append(parse_parameter(one))
        except Faulty as error:
            label = one.get("name") or f"number {place + 1}"
            for field, sentences in error.faults.items():
                faults.add("parameters", f"{label}: {field}: {' '.join(sentences)}")
    for what in ("name", "flag"):
        seen = [getattr(one, what) for one in parameters]
        for double in sorted({one for one in seen if seen.count(one) > 1}):
            faults.add("parameters", f"{double}: two parameters have this {what}.")
    return tuple(parameters)


def parse_parameter(raw: Mapping[str, Any]) -> Parameter:
    """Raises Faulty."""
    faults = Faults()
    name, flag = _text(raw, "name", 50, faults), _text(raw, "flag", 52, faults)
    for field, value in (("name", name), ("flag", flag)):
        if not value:
            faults.add(field, "This field is required.")
    kind = PARAMETER_TYPES.get(str(raw.get("type")))
    if kind is None:
        faults.add("type", f"Invalid type {raw.get('type')!r}: it must be one of {', '.join(PARAMETER_TYPES)}.")
    optional, exposed = raw.get("optional", False), raw.get("ui_exposed", True)
    for field, value in (("optional", optional), ("ui_exposed", exposed)):
        if not isinstance(value, bool):
            faults.add(field, "Must be a valid boolean.")
    if kind in ("path", "unextpath") and optional:
        faults.add("optional", f"A parameter of type {kind} cannot be optional.")
    if not optional and not exposed:
        faults.add("ui_exposed", "A parameter that is not optional must be shown to users.")
    default = _default(kind, raw.get("default"), bool(optional), faults)
    action = raw.get("action") or ("store" if kind != "boolean" else "store_false" if default is True else "store_true")
    if action not in ACTIONS:
        faults.add("action", f"Invalid action {action!r}: it must be one of {', '.join(ACTIONS)}.")
    help_text, short = _text(raw, "help", 4000, faults), _text(raw, "short_flag", 52, faults)
    faults.close()
    return Parameter(name, str(kind), optional, default, flag, short or flag, action, help_text, exposed)


def _default(kind: str | None, value: Any, optional: bool, faults: Faults) -> values.Value | None:
    if value is None:
        if optional:
            faults.add("default", "An optional parameter needs a default.")
        return None
    if kind is None or kind in ("path", "unextpath"):
        return None
    if kind == "boolean" and not isinstance(value, bool):
        faults.add("default", "Must be a valid boolean.")
        return None
    try:
        return values.parse(kind, value)
    except ValueError as error:
        faults.add("default", str(error))
        return None


def _text(raw: Mapping[str, Any], name: str, longest: int, faults: Faults) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        faults.add(name, "Not a valid string.")
        return ""
    if len(value) > longest:
        faults.add(name, f"Ensure this field has no more than {longest} characters.")
    return value.strip()


def _limit(raw: Mapping[str, Any], name: str, parse_one: Callable[[Any], int], default: int, faults: Faults) -> int:
    value = raw.get(name)
    if value is None or value == "":
        return default
    try:
        return parse_one(value)
    except ValueError as error:
        faults.add(name, str(error))
        return default
