"""What pip says becomes one sentence. The texts are pip's own, shortened."""

from __future__ import annotations

import pytest

from gateway.embedded import complaints


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ERROR: Package 'x' requires a different Python: 3.11.7 not in '<3.9'", "needs another Python (<3.9"),
        (
            "ERROR: Ignored the following versions that require a different python version: "
            "1.0 Requires-Python >=3.6,<3.8\n"
            "ERROR: Could not find a version that satisfies the requirement x==1.0 (from versions: none)",
            "needs another Python (>=3.6,<3.8",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement x (from versions: none)",
            "There is no package 'x' that fits",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement y>9 (from x) (from versions: 1.0, 2.0)",
            "There is no version 'y>9', which x needs, to be had. The newest are 1.0, 2.0.",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)': /simple/x/\n"
            "ERROR: Could not find a version that satisfies the requirement x (from versions: none)",
            "index cannot be reached",
        ),
        (
            "  error: subprocess-exited-with-error\n  ╰─> [2 lines of output]\n      error: command 'gcc' failed: "
            "No such file\n      [end of output]\nERROR: Failed building wheel for x",
            "breaks while it is being built: error: command 'gcc' failed: No such file.",
        ),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        (
            "ERROR: Cannot install x because these package versions have conflicting dependencies.\n"
            "ERROR: ResolutionImpossible: for help visit",
            "contradicts itself: Cannot install x because",
        ),
        ("ERROR: Directory './x' is not installable. File 'setup.py' not found.", "cannot be installed: Directory"),
        ("", "cannot be installed: it said nothing."),
    ],
)
def test_each_cause_has_its_sentence(text: str, words: str) -> None:
    told = complaints.install(text, "x")
    assert words in told and "\n" not in told


def test_a_package_that_tells_no_descriptor_is_told_with_its_last_word() -> None:
    assert complaints.describe("Traceback\nImportError: no libGL.so.1\n", "x").startswith(
        "x does not tell what it is: ImportError: no libGL.so.1."
    )
    assert "no ChRIS plugin" in complaints.describe("Could not find dependent Python distribution by name: x", "x")
