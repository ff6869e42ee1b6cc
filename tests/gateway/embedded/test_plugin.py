"""How the end of a plugin is judged. Pure; the runs themselves are in test_launcher.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.jobs import Usage
from gateway.embedded.plan import PodPlan
from gateway.embedded.plugin import Exit, judge, localize, reported_code

PLAN = PodPlan(
    "j", 1, 0, 1, "token", "", "", ("tool",), "/e", {}, 1000, 512, 60, "m:f", "m:f", bwrap="bwrap",
    disk_bytes=64 << 20,
)  # fmt: skip


@pytest.mark.parametrize(
    ("code", "cause", "kind", "reason", "words"),
    [
        (0, "", "ok", "completed", ""),
        (3, "", "fail", "error", "exit code 3"),
        (137, "", "fail", "signal", "SIGKILL"),
        (255, "", "fail", "error", "exit code 255"),
        (137, "out-of-memory", "fail", "out-of-memory", "512 MiB"),
        (0, "deadline", "fail", "deadline", "60 seconds"),
        (137, "disk", "fail", "disk", "64 MiB"),
        (137, "processes", "fail", "processes", "2048 processes"),
        (None, "", "stuck", "sandbox", "no room"),
    ],
)
def test_an_end_has_a_kind_a_reason_and_a_sentence(
    code: int | None, cause: str, kind: str, reason: str, words: str
) -> None:
    end = judge(Exit(code, cause, Usage(1.0, 2, 3.0), "no room"), PLAN)
    assert end and (end.kind, end.reason, end.exit_code) == (kind, reason, code) and words in end.sentence
    assert end.usage == Usage(1.0, 2, 3.0)


def test_a_plugin_that_was_stopped_has_no_end_of_its_own() -> None:
    assert judge(Exit(137, "stopped", Usage()), PLAN) is None


def test_only_whole_words_are_the_folders_of_the_contract() -> None:
    words = ("tool", "--text", "see /share/incoming", "/share/incoming", "/share/outgoing")
    assert localize(words, Path("/r")) == ["tool", "--text", "see /share/incoming", "/r/incoming", "/r/outgoing"]


def test_a_report_that_is_cut_off_has_no_exit_code() -> None:
    assert reported_code(b'{"child-pid": 5}\n{"exit-code": 4}\n') == 4
    assert reported_code(b'{"child-pid": 5}\n{"exit-co') is None


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    from gateway.embedded.cgroups import Parent
    from gateway.embedded.plan import read_plan, write_plan

    plan = PodPlan.from_dict({**PLAN.__dict__, "parents": [{"folder": "/x", "version": 2, "controllers": ["memory"]}]})
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan and plan.parents == (Parent("/x", 2, ("memory",)),)
    assert (tmp_path / "plan.json").stat().st_mode & 0o077 == 0, "the token is in it"
    (tmp_path / "plan.json").write_text('{"job": ')
    assert read_plan(tmp_path) is None
