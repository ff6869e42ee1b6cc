"""A ts plugin with a program of its own, unextpaths and splits on a whole machine, on both stores, by REST alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from functions.settings import Settings
from gateway.cli import credentials
from gateway.cli.client import Client
from tests.gateway.catalog.stage import JOINING, parameter
from tests.integration.machine import CANCELLED, FAILED, FINISHED, User, add_plugin, running

pytestmark = pytest.mark.slow

TELL = """#!/bin/sh
# tells its command line and what it sees, and writes into the one folder that it was given, its last word
case " $* " in *" --fail "*) exit 3 ;; esac
for out; do :; done
for word; do printf '%s\\n' "$word"; done > "$out/arguments"
ls -A /share/incoming > "$out/incoming" 2>/dev/null
env | grep '^CHRIS_PREV' | sort > "$out/previous"
"""
PART = """#!/bin/sh
mkdir -p "$2/deep"
echo "$CHRIS_PLG_INST_ID" > "$2/same.txt"
echo "$CHRIS_PLG_INST_ID" > "$2/deep/$CHRIS_PLG_INST_ID.csv"
"""


def texts(folder: Path) -> dict[str, str]:
    """The files below a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def prepared(settings: Settings, tmp_path: Path) -> Settings:
    fail = parameter("fail", "bool", optional=True, default=False)
    add_plugin(settings.home, tmp_path / "programs", "pl-part", PART)
    add_plugin(settings.home, tmp_path / "programs", "pl-tell", TELL, type="ts", parameters=[*JOINING, fail])
    place = parameter("place", "unextpath")
    add_plugin(settings.home, tmp_path / "programs", "pl-place", TELL, type="fs", parameters=[place])
    return settings


def test_outputs_are_joined_by_reference_around_those_of_the_plugin(prepared: Settings, tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "a.txt").write_text("a")
    with running(prepared):
        known = credentials.read(prepared.home / credentials.FILE)
        assert known is not None
        user = User(Client(known))
        feed = user.start_feed(study, "study")
        one, two = (user.submit(user.plugin("pl-part"), previous_id=feed) for _ in range(2))

        def join(plugin: str, **given: Any) -> int:
            return user.submit(user.plugin(plugin), previous_id=one, plugininstances=f"{one},{two}", **given)

        # All are submitted before their parents have ended.
        joined = join("pl-tell", filter=r",\.csv$")
        failed = join("pl-tell", fail=True)
        copied = join("pl-topologicalcopy", groupByInstance=True)
        after = user.submit(user.plugin("pl-part"), previous_id=failed)
        assert user.wait([one, two, joined, copied]) == {FINISHED: 4}, user.instance(joined)["summary"]
        assert user.wait([failed, after]) == {FAILED: 1, CANCELLED: 1}

        words = ["--plugininstances", f"{one},{two}", "--filter", r",\.csv$", "/share/outgoing"]
        assert texts(user.fetch(joined, tmp_path / "joined")) == {
            "arguments": "".join(f"{word}\n" for word in words),
            "incoming": "",
            "previous": f"CHRIS_PREV_JID=chris-jid-{one}\nCHRIS_PREV_PLG_INST_ID={one}\n",
            "same.txt": f"{one}\n",
            f"deep/{one}.csv": f"{one}\n",
            f"deep/{two}.csv": f"{two}\n",
        }
        assert texts(user.fetch(copied, tmp_path / "copied")) == {
            f"{number}/{name}": f"{number}\n" for number in (one, two) for name in ("same.txt", f"deep/{number}.csv")
        }
        assert user.files(failed) == []

        split = user.client.post(f"plugins/instances/{one}/splits/", {"filter": r"\.txt$,\.csv$"})
        parts = [int(number) for number in split["created_plugin_inst_ids"].split(",")]
        assert user.wait(parts) == {FINISHED: 2}
        found = [sorted(texts(user.fetch(number, tmp_path / f"part{number}"))) for number in parts]
        assert found == [["same.txt"], [f"deep/{one}.csv"]]


def test_nothing_of_an_unextpath_is_staged_and_it_lies_in_the_outputs(prepared: Settings, tmp_path: Path) -> None:
    study = tmp_path / "study"
    (study / "deep").mkdir(parents=True)
    (study / "deep/a.txt").write_text("a")
    with running(prepared):
        known = credentials.read(prepared.home / credentials.FILE)
        assert known is not None
        user = User(Client(known))
        user.start_feed(study, "study")
        name = known.username
        place = user.submit(user.plugin("pl-place"), place=f"home/{name}/uploads/study")
        child = user.submit(user.plugin("pl-part"), previous_id=place)
        assert user.wait([place, child]) == {FINISHED: 2}
        assert texts(user.fetch(place, tmp_path / "place")) == {
            "arguments": "--place\n/share/incoming\n/share/outgoing\n",
            "incoming": "",
            "previous": "",
            f"home_{name}_uploads_study/deep/a.txt": "a",
        }
