"""Settings, read once at the door: a frozen value, every fault told at once with the variable's name.

A secret may come from a mounted file: `CHRYSALIS_X_FILE` in place of `CHRYSALIS_X`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from functions.errors import Permanent


@dataclass(frozen=True)
class S3Settings:
    """Where an S3 store is. Three endpoints, since the host is part of what is signed: for the functions, for pods,
    for browsers; the latter two are the first where they are empty."""

    bucket: str
    endpoint: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    prefix: str = ""
    pod_endpoint: str = ""
    browser_endpoint: str = ""


@dataclass(frozen=True)
class Settings:
    """What one machine needs to know; all of it has a default.

    `slots`: unfinished jobs out at once per compute resource (0: four times the cores). `sweep_seconds`: how often the
    sweep runs while there is work. `repair_seconds`, `longest_repair_seconds`: its backoff per job. `threads`: of the
    web server. `unsandboxed`: run other people's plugins where no sandbox works.
    """

    home: Path
    tenant: str = "main"
    s3: S3Settings | None = None
    slots: int = 0
    sweep_seconds: float = 60.0
    repair_seconds: float = 60.0
    longest_repair_seconds: float = 1800.0
    threads: int = 16
    public_url: str = ""
    sign_up: bool = False
    unsandboxed: bool = False

    @property
    def places(self) -> int:
        """The slots of this machine."""
        return self.slots or 4 * (os.cpu_count() or 1)


class Reader:
    """Reads variables of one prefix and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str], prefix: str) -> None:
        self.environ, self.prefix = environ, prefix
        self.faults: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self.environ.get(self.prefix + name, default)

    def secret(self, name: str) -> str:
        file = self.text(name + "_FILE")
        if not file:
            return self.text(name)
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            self.faults.append(f"{self.prefix}{name}_FILE names a file that cannot be read: {error.strerror}.")
            return ""

    def number(self, name: str, default: float, least: float = 0.0) -> float:
        return float(self.read(name, default, float, lambda value: value >= least, f"a number of at least {least:g}"))

    def count(self, name: str, default: int, least: int = 0) -> int:
        return int(self.read(name, default, int, lambda value: value >= least, f"a whole number of at least {least}"))

    def flag(self, name: str) -> bool:
        words = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
        return bool(self.read(name, False, lambda text: words[text.lower()], lambda value: True, "yes or no"))

    def read(self, name: str, default: Any, cast: Callable[[str], Any], fits: Callable[[Any], bool], what: str) -> Any:
        text = self.text(name)
        try:
            value = cast(text) if text else default
            if fits(value):
                return value
        except (ValueError, KeyError):
            pass
        self.faults.append(f"{self.prefix}{name} must be {what}, not {text!r}.")
        return default


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings of this machine. Raises Permanent with every fault."""
    reader = Reader(environ, "CHRYSALIS_")
    settings = Settings(
        home=Path(reader.text("HOME") or Path.home() / ".chrysalis").absolute(),
        tenant=reader.text("TENANT", "main"),
        s3=read_s3(reader) if reader.text("S3_BUCKET") else None,
        slots=reader.count("SLOTS", 0),
        sweep_seconds=reader.number("SWEEP_SECONDS", 60.0, 0.05),
        repair_seconds=reader.number("REPAIR_SECONDS", 60.0),
        longest_repair_seconds=reader.number("LONGEST_REPAIR_SECONDS", 1800.0),
        threads=reader.count("THREADS", 16, 2),
        public_url=reader.text("PUBLIC_URL"),
        sign_up=reader.flag("SIGN_UP"),
        unsandboxed=reader.flag("UNSANDBOXED"),
    )
    if reader.faults:
        raise Permanent(" ".join(reader.faults))
    return settings


def read_s3(reader: Reader) -> S3Settings:
    values = {name: reader.text(f"S3_{name.upper()}") for name in ("bucket", "endpoint", "prefix")}
    keys = {name: reader.secret(f"S3_{name.upper()}") for name in ("access_key", "secret_key")}
    for name, value in {**values, **keys}.items():
        if not value and name != "prefix":
            reader.faults.append(f"{reader.prefix}S3_{name.upper()} is needed beside {reader.prefix}S3_BUCKET.")
    return S3Settings(
        **values,
        **keys,
        region=reader.text("S3_REGION", "us-east-1"),
        pod_endpoint=reader.text("S3_POD_ENDPOINT"),
        browser_endpoint=reader.text("S3_BROWSER_ENDPOINT"),
    )
