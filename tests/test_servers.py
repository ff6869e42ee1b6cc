"""The servers of the tests do what the tests of faults rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.errors import Temporary
from functions.objects_s3 import S3Store
from tests.servers import seaweedfs


@pytest.mark.slow
def test_a_store_that_was_killed_comes_back_with_its_objects(tmp_path: Path) -> None:
    with seaweedfs(tmp_path) as server:
        keys = {"access_key": server.access_key, "secret_key": server.secret_key}
        store = S3Store(bucket=server.new_bucket(), endpoint=server.endpoint, **keys)  # type: ignore[arg-type]
        store.put("a", b"bytes")
        server.kill()
        for act in (lambda: store.get("a"), lambda: store.create("b", b""), lambda: store.list("")):
            with pytest.raises(Temporary, match="does not answer"):
                act()
        server.start()
        assert store.get("a").read() == b"bytes"
        assert store.create("b", b"") is not None
