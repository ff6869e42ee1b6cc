"""A real scan goes in over REST, a real tool runs on it in its sandbox, and what comes back is what was made."""

from __future__ import annotations

import gzip
import hashlib
import struct
import tarfile
from pathlib import Path

import pytest

from functions.settings import Settings
from gateway.cli import credentials
from gateway.cli.client import Client
from tests.integration.machine import FINISHED, User, pod_folders, running, wait_until
from tests.kit import kit

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parents[2] / "plugins/pl-dicom-to-nifti"


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """The kit's 192 slices, one file each."""
    with tarfile.open(kit() / "dicom_t1/sag-anon-192-slices.tar.xz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    files = [path for path in (tmp_path / "unpacked").rglob("*.dcm") if path.is_file()]
    assert len(files) == 192
    return files[0].parent


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_192_slices_become_a_volume_and_every_digest_is_equal_on_both_sides(
    settings: Settings, series: Path, tmp_path: Path
) -> None:
    with running(settings) as machine:
        known = credentials.read(settings.home / credentials.FILE)
        assert known is not None
        user = User(Client(known))
        plugin = user.client.post("plugins/install/", {"source": str(PLUGIN)})
        first = user.start_feed(series, "head")
        converted = user.submit(plugin["id"], previous_id=first)
        assert user.wait([converted]) == {FINISHED: 1}, user.instance(converted)["summary"]

        assert digests(user.fetch(first, tmp_path / "back")) == digests(series)
        fetched = digests(user.fetch(converted, tmp_path / "volume"))
        told = {file.path: file.digest for file in outputs(machine, converted)}
        assert fetched == told
        assert wait_until(lambda: pod_folders(settings.home) == [])
    assert [shape(path) for path in (tmp_path / "volume").rglob("*.nii.gz")] == [(192, 256, 256)]


def outputs(machine: object, number: int) -> list[object]:
    """What the job's result says that the plugin wrote."""
    from gateway.receiver import Gateway
    from tests.integration.test_network import job_of

    result = machine.records.read(job_of(machine, number), "result")  # type: ignore[attr-defined, arg-type]
    gateway = Gateway(machine.store, machine.records, machine.ledger)  # type: ignore[attr-defined]
    return list(gateway.read_outputs(result))


def shape(volume: Path) -> tuple[int, ...]:
    """The dimensions in a NIfTI-1 header (https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h), sorted."""
    header = gzip.decompress(volume.read_bytes())[:348]
    dimensions = struct.unpack("<8h", header[40:56])
    return tuple(sorted(dimensions[1 : 1 + dimensions[0]]))
