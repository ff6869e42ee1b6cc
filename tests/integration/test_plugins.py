"""A plugin that others published runs unmodified on real slices, installed by its name and driven over REST."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.settings import Settings
from gateway.cli import credentials
from gateway.cli.client import Client
from tests.integration.machine import FAILED, FINISHED, User, running
from tests.integration.test_scan import digests, series

pytestmark = pytest.mark.slow
__all__ = ["series"]  # the fixture

COPY = "cp %{inputWorkingDir}/%{inputWorkingFile} %{outputWorkingDir}/copy-%{inputWorkingFile}"


def test_shexec_from_the_index_runs_its_command_on_every_slice(tmp_path: Path, series: Path) -> None:
    settings = Settings(tmp_path / "home")
    few = tmp_path / "few"
    few.mkdir()
    for slice_ in sorted(series.glob("*.dcm"))[:12]:
        slice_.rename(few / slice_.name)
    with running(settings):
        known = credentials.read(settings.home / credentials.FILE)
        assert known is not None
        user = User(Client(known))
        plugin = user.client.post("plugins/install/", {"source": "shexec==2.5.0"})
        assert (plugin["name"], plugin["version"]) == ("shexec", "2.5.0")
        feed = user.start_feed(few, "few")
        copied = user.submit(plugin["id"], previous_id=feed, exec=COPY, fileFilter=".dcm")
        assert user.wait([copied]) == {FINISHED: 1}, user.instance(copied)["summary"]
        fetched = digests(user.fetch(copied, tmp_path / "copied"))
        expected = {f"copy-{name}": digest for name, digest in digests(few).items()}
        assert {name: fetched.get(name) for name in expected} == expected

        failed = user.submit(plugin["id"], previous_id=feed)  # its one required option is not given
        assert user.wait([failed]) == {FAILED: 1}
        assert "--exec" in user.client.get(f"plugins/instances/{failed}/")["summary"]
