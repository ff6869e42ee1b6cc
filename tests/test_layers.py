"""The layers of pyproject.toml: that each contract can be broken, and what no linter sees."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("mover", ["stage_in", "stage_out"])
def test_a_mover_starts_on_a_bare_python(mover: str) -> None:
    """-I -S: without site-packages and without this checkout's environment, as in the movers' image."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import functions.movers.{mover}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("contract", "module", "imported"),
    [
        ("functions", "functions/stage/core.py", "functions.run.core"),
        ("functions", "functions/records.py", "functions.publish.core"),
        ("functions", "functions/run/core.py", "gateway.policy"),
        ("wiring", "gateway/relay.py", "functions.stage.core"),
        ("rooms", "gateway/catalog/feeds.py", "gateway.api.app"),
        ("rooms", "gateway/api/feeds.py", "gateway.embedded.home"),
        ("s3", "functions/objects.py", "boto3"),
        ("sql", "gateway/api/feeds.py", "sqlalchemy"),
        ("movers", "functions/movers/stage_in.py", "flask"),
    ],
)
def test_an_import_against_the_layers_fails_the_lint(tmp_path: Path, contract: str, module: str, imported: str) -> None:
    for name in ("functions", "gateway", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    with (tmp_path / module).open("a") as source:
        source.write(f"\nimport {imported}\n")
    done = subprocess.run([*command, "--contract", contract], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    broken = module.removesuffix(".py").replace("/", ".")
    assert f"{broken} -> {imported}" in done.stdout
