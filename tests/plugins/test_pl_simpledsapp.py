from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugins.conftest import PLUGINS, Run

PUBLISHED = [
    ("prefix", "str", "--prefix", "-p", "store", ""),
    ("b_ignoreInputDir", "bool", "--ignoreInputDir", "--ignoreInputDir", "store_true", False),
    ("sleepLength", "str", "--sleepLength", "--sleepLength", "store", "0"),
    ("dummyInt", "int", "--dummyInt", "--dummyInt", "store", 1),
    ("dummyFloat", "float", "--dummyFloat", "--dummyFloat", "store", 1.1),
    ("pftelDB", "str", "--pftelDB", "--pftelDB", "store", ""),
]
"""The parameters of ChRIS's descriptor: name, type, flag, short flag, action and default."""


def found(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def filled(incoming: Path) -> Path:
    (incoming / "a/b").mkdir(parents=True)
    (incoming / "one.dcm").write_bytes(b"\0DICM")
    (incoming / "a/b/zwei ü").write_bytes(b"")
    return incoming


def test_its_descriptor_has_the_published_parameters() -> None:
    program = "import json, pl_simpledsapp as p; from chris_plugin.parameters import serialize; "
    program += "print(json.dumps([dict(one) for one in serialize(p.parser)], default=lambda kind: kind.__name__))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(PLUGINS / "pl-simpledsapp")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    fields = ("name", "type", "flag", "short_flag", "action", "default")
    told = json.loads(done.stdout)
    assert [tuple(one[field] for field in fields) for one in told] == PUBLISHED
    assert all(one["optional"] for one in told)


def test_every_file_is_copied_under_its_prefix_in_its_folder(run: Run, filled: Path, outgoing: Path) -> None:
    done = run("pl-simpledsapp", "-p", "le-", "--dummyInt", 7, "--dummyFloat", 2.5, "--pftelDB", "x", filled, outgoing)
    assert done.returncode == 0, done.stderr
    assert found(outgoing) == {"le-one.dcm": b"\0DICM", "a/b/le-zwei ü": b""}
    assert "dummyInt=7, dummyFloat=2.5, pftelDB='x'" in done.stdout


def test_without_a_prefix_names_stay(run: Run, filled: Path, outgoing: Path) -> None:
    assert run("pl-simpledsapp", filled, outgoing).returncode == 0
    assert found(outgoing) == found(filled)


def test_told_to_ignore_its_input_it_writes_a_timestamp_alone(run: Run, filled: Path, outgoing: Path) -> None:
    assert run("pl-simpledsapp", "--ignoreInputDir", "--prefix", "le-", filled, outgoing).returncode == 0
    assert list(found(outgoing)) == ["timestamp.json"]
    told = json.loads((outgoing / "timestamp.json").read_text())
    assert list(told) == ["year", "month", "day", "hour", "minute", "second"]
    assert all(isinstance(value, int) for value in told.values())


def test_it_sleeps_before_anything_else(run: Run, filled: Path, outgoing: Path) -> None:
    began = time.monotonic()
    assert run("pl-simpledsapp", "--sleepLength", "0.6", filled, outgoing).returncode == 0
    assert time.monotonic() - began >= 0.6


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--sleepLength", "soon"), "--sleepLength: 'soon' is no number of seconds."),
        (("--sleepLength=-1",), "--sleepLength: '-1' is no number of seconds."),
        (("--sleepLength", "inf"), "--sleepLength: 'inf' is no number of seconds."),
        (("--prefix", "../"), "--prefix: '../' cannot be the beginning of a file's name."),
        (("--dummyInt", "1.5"), "argument --dummyInt: invalid int value: '1.5'"),
        (("--dummyFloat", "x"), "argument --dummyFloat: invalid float value: 'x'"),
    ],
)
def test_wrong_arguments_are_told_and_nothing_is_written(
    run: Run, filled: Path, outgoing: Path, words: tuple[str, ...], sentence: str
) -> None:
    done = run("pl-simpledsapp", *words, filled, outgoing)
    assert done.returncode == 2 and sentence in done.stderr
    assert not outgoing.exists() or found(outgoing) == {}
