"""A skipped test is a promise that nobody checks: it is told, and fails CI unless `tests/skips.txt` gives a reason.

A pytest plugin. Strict when CI or REQUIRE_ALL is set (to anything but 0, false or nothing). Elsewhere the closing
lines name what this machine left out, and why.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

LIST = Path(__file__).with_name("skips.txt")


@dataclass(eq=False)  # by identity: pytest keeps its plugins in sets
class Skips:
    """Which skips are allowed (pattern to reason), whether others fail, and what has been left out so far."""

    allowed: dict[str, str]
    strict: bool
    left_out: Counter[str] = field(default_factory=Counter)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._judge(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        self._judge(report)
        return report

    def _judge(self, report: Any) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = reason_of(report)
        if self.strict and not any(fnmatchcase(report.nodeid, pattern) for pattern in self.allowed):
            report.outcome = "failed"
            report.longrepr = (
                f"{report.nodeid} was skipped: {reason}. Where every test is required a skip fails: "
                f"give the machine what it lacks, or list the test with a reason in {LIST.name}."
            )
        else:
            self.left_out[reason] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for reason, count in sorted(self.left_out.items()):
            terminalreporter.write_line(f"left out: {count} test(s), {reason}")


def reason_of(report: Any) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").rstrip(".")


def parse(text: str) -> dict[str, str]:
    """Pattern to reason. Raises ValueError on a line without a reason.

    Parted at the last ': ', since a test id has colons of its own; a reason has none.
    """
    allowed = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = line.rpartition(": ")
        if not pattern.strip() or not reason.strip():
            raise ValueError(f"{LIST.name}: {line!r} gives no reason; write '<test id>: <reason>'.")
        allowed[pattern.strip()] = reason.strip()
    return allowed


def strict(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name, "").lower() not in ("", "0", "false") for name in ("CI", "REQUIRE_ALL"))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Skips(parse(LIST.read_text()), strict(os.environ)), "chrysalis-skips")
