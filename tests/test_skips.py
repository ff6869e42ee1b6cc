"""The rule about skipped tests, on small suites of its own."""

from __future__ import annotations

import pytest

from tests import skips

pytest_plugins = ["pytester"]

SUITE = """
import pytest

def test_it_runs():
    pass

@pytest.mark.skipif(True, reason="no scanner here")
def test_it_needs_a_scanner():
    pass
"""


MODULE = """
import pytest

pytest.skip("no scanner here", allow_module_level=True)
"""


def run(pytester: pytest.Pytester, *, strict: bool, allowed: dict[str, str], suite: str = SUITE) -> pytest.RunResult:
    pytester.makepyfile(test_small=suite)
    pytester.makeconftest(
        "from tests.skips import Skips\n"
        f"def pytest_configure(config):\n    config.pluginmanager.register(Skips({allowed!r}, {strict!r}))\n"
    )
    return pytester.runpytest_inprocess("-p", "no:cacheprovider")


def test_a_skip_fails_where_every_test_is_required(pytester: pytest.Pytester) -> None:
    result = run(pytester, strict=True, allowed={})
    result.assert_outcomes(passed=1, errors=1)  # a mark skips in a test's setup
    result.stdout.fnmatch_lines(["*test_it_needs_a_scanner was skipped: no scanner here.*skips.txt*"])
    assert result.ret == 1


def test_a_listed_skip_may_stay_and_is_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, strict=True, allowed={"*::test_it_needs_*": "scanners are rare"})
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["left out: 1 test(s), no scanner here"])
    assert result.ret == 0


def test_elsewhere_a_skip_is_only_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, strict=False, allowed={})
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["left out: 1 test(s), no scanner here"])


def test_a_module_that_skips_itself_fails_too(pytester: pytest.Pytester) -> None:
    result = run(pytester, strict=True, allowed={}, suite=MODULE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_small.py was skipped: no scanner here.*"])


def test_a_line_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="gives no reason"):
        skips.parse("tests/test_small.py::test_it_needs_a_scanner")


def test_ids_keep_their_colons() -> None:
    assert skips.parse("# words\n\ntests/a.py::test_b[c: d]: it is rare\n") == {
        "tests/a.py::test_b[c: d]": "it is rare"
    }


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, False), ({"CI": "true"}, True), ({"REQUIRE_ALL": "1"}, True), ({"CI": "0"}, False)],
)
def test_ci_is_strict(environment: dict[str, str], expected: bool) -> None:
    assert skips.strict(environment) is expected
