"""Other Pythons of this machine, for packages that do not run on the one that runs us.

Looked for where people have them: on PATH as `python3.N`, and in the folders of pyenv and uv. A Python counts only if
it answers and can make environments (Debian's have no `ensurepip` until python3.N-venv is installed).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from functions.errors import Permanent

NAME = re.compile(r"python3\.\d+")
OLDEST = (3, 8)
"""What we ask of pip (its report, `--python`) is not in the pips of older Pythons."""
QUESTION = "import ensurepip, sys, venv; print(*sys.version_info[:3]); print(sys.executable)"
SECONDS = 20


class OtherPython(Permanent):
    """A package does not run on this Python. `wanted` is a specifier (PEP 440) of those that it runs on."""

    def __init__(self, sentence: str, wanted: str) -> None:
        super().__init__(sentence)
        self.wanted = wanted


@dataclass(frozen=True, order=True)
class Interpreter:
    """A Python that can make environments."""

    version: tuple[int, int, int]
    path: Path

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


def fitting(wanted: str, known: list[Interpreter]) -> Interpreter | None:
    """Pure: the newest that fits a specifier such as `>=3.8,<3.11`; None if none does or nobody can read it."""
    try:
        specifier = SpecifierSet(wanted)
    except InvalidSpecifier:
        return None
    return max((one for one in known if one.version >= OLDEST and specifier.contains(str(one))), default=None)


def find(environ: Mapping[str, str]) -> list[Interpreter]:
    """Every Python of this machine that answers, oldest first, each once."""
    candidates = sorted(set(_candidates(environ)))
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(_ask, candidates)
    return sorted({answer.path: answer for answer in answers if answer}.values())


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        if folder and Path(folder).is_dir():
            yield from (path for path in Path(folder).glob("python3.*") if NAME.fullmatch(path.name))
    home = Path(environ.get("HOME") or Path.home())
    for pyenv in {Path(environ.get("PYENV_ROOT") or home / ".pyenv"), home / ".pyenv"}:
        yield from pyenv.glob("versions/*/bin/python3")
    yield from home.glob(".local/share/uv/python/*/bin/python3")


def _ask(path: Path) -> Interpreter | None:
    """Its version and its real path: a shim only stands for one. None if it does not answer."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", QUESTION], capture_output=True, text=True, timeout=SECONDS, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        numbers, place = done.stdout.splitlines()[:2]
        major, minor, micro = (int(number) for number in numbers.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter((major, minor, micro), Path(os.path.realpath(place)))
