from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gateway.cli import series
from tests.plugins.conftest import Run

AFFINE = np.array([[2.0, 0, 0, -31], [0, 0, -3, 17], [0, 4.0, 0, -5], [0, 0, 0, 1]])
"""Voxels of three sizes, stored right-up-back: no axis may be taken for another, none turned round."""


@pytest.fixture
def phantom(tmp_path: Path) -> Path:
    """A volume in which every voxel has a value of its own."""
    voxels = np.arange(12 * 10 * 8, dtype=np.int16).reshape(12, 10, 8)
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), tmp_path / "phantom.nii")
    return tmp_path / "phantom.nii"


def test_a_series_becomes_the_volume_that_it_was_made_of(
    run: Run, phantom: Path, incoming: Path, outgoing: Path
) -> None:
    series.write_series(phantom, incoming / "series", name="Phantom^One", description="phantom")
    done = run("pl-dicom-to-nifti", incoming, outgoing)
    assert done.returncode == 0, done.stdout + done.stderr
    (volume,) = outgoing.glob("*.nii.gz")
    before, after = (nibabel.as_closest_canonical(nibabel.load(path)) for path in (phantom, volume))
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-3)
    np.testing.assert_array_equal(np.asanyarray(after.dataobj), np.asanyarray(before.dataobj))


def test_the_sidecar_and_the_log_do_not_name_the_patient(
    run: Run, phantom: Path, incoming: Path, outgoing: Path
) -> None:
    series.write_series(phantom, incoming, name="Surname^Given", description="phantom")
    done = run("pl-dicom-to-nifti", incoming, outgoing)
    (sidecar,) = outgoing.glob("*.json")
    assert json.loads(sidecar.read_text())["Modality"] == "MR"
    assert "Surname" not in sidecar.read_text() + done.stdout + done.stderr


def test_the_name_of_the_output_can_be_chosen(run: Run, phantom: Path, incoming: Path, outgoing: Path) -> None:
    series.write_series(phantom, incoming, name="Phantom", description="phantom")
    assert run("pl-dicom-to-nifti", "--filename", "scan", "--uncompressed", incoming, outgoing).returncode == 0
    assert {path.name for path in outgoing.iterdir()} == {"scan.nii", "scan.json"}


def test_a_name_that_leaves_the_folder_is_refused(run: Run, incoming: Path, outgoing: Path) -> None:
    done = run("pl-dicom-to-nifti", "--filename", "../scan", incoming, outgoing)
    assert done.returncode == 2
    assert "may not hold a '/'" in done.stderr


def test_no_dicom_is_said_with_the_next_step(run: Run, incoming: Path, outgoing: Path) -> None:
    (incoming / "scan.zip").write_bytes(b"PK\x03\x04" + bytes(500))
    done = run("pl-dicom-to-nifti", incoming, outgoing)
    assert done.returncode == 3
    assert "There is no DICOM among the 1 files" in done.stderr
    assert "unpacked" in done.stderr


def test_an_empty_folder_has_no_dicom(run: Run, incoming: Path, outgoing: Path) -> None:
    assert run("pl-dicom-to-nifti", incoming, outgoing).returncode == 3


def test_dicom_that_is_cut_short_is_told_from_no_dicom(run: Run, phantom: Path, incoming: Path, outgoing: Path) -> None:
    series.write_series(phantom, incoming, name="Phantom", description="phantom")
    for path in incoming.iterdir():
        path.write_bytes(path.read_bytes()[:400])
    done = run("pl-dicom-to-nifti", incoming, outgoing)
    assert done.returncode == 4
    assert "10 of 10 files are DICOM" in done.stderr
