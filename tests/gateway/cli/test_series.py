"""The scans of the demo, through dcm2niix: what comes out is what went in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dcm2niix
import nibabel
import numpy as np
import pydicom
import pytest

from gateway.cli import series
from gateway.cli.faults import Fault
from tests.kit import kit


def convert(folder: Path, into: Path) -> nibabel.Nifti1Image:
    into.mkdir()
    subprocess.run([dcm2niix.bin, "-z", "n", "-f", "scan", "-o", into, folder], check=True, capture_output=True)
    return nibabel.as_closest_canonical(nibabel.load(into / "scan.nii"))


@pytest.mark.slow
def test_the_template_brain_comes_back_voxel_for_voxel(tmp_path: Path) -> None:
    try:
        template = nibabel.as_closest_canonical(nibabel.load(series.fetch_template(tmp_path)))
    except Fault as fault:
        pytest.skip(f"no template brain: {fault.message.splitlines()[0]}")
    assert "189 axial slices" in series.write_template(tmp_path / "series")
    back = convert(tmp_path / "series", tmp_path / "out")
    np.testing.assert_allclose(back.affine, template.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asanyarray(back.dataobj), np.asanyarray(template.dataobj))


@pytest.mark.slow
def test_the_head_of_the_kit_is_one_series_of_192_slices(tmp_path: Path) -> None:
    series.unpack(kit(), tmp_path / "series")
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in (tmp_path / "series").iterdir()]
    assert len(headers) == 192
    assert len({header.SeriesInstanceUID for header in headers}) == 1
    assert convert(tmp_path / "series", tmp_path / "out").shape == (192, 256, 256)


def test_slices_of_one_volume_differ_only_in_what_is_theirs(tmp_path: Path) -> None:
    affine = np.diag([0.5, 1.25, 3, 1])
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), dtype=np.uint8), affine), tmp_path / "one.nii")
    assert series.write_series(tmp_path / "one.nii", tmp_path / "series", name="One", description="one") == 6
    first, second = (pydicom.dcmread(tmp_path / f"series/000{number}.dcm") for number in (1, 2))
    differing = {element.keyword for element in first if second[element.tag].value != element.value}
    assert differing == {"SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "SliceLocation"}
    assert [float(value) for value in first.PixelSpacing] == [1.25, 0.5]
    assert float(second.SliceLocation) - float(first.SliceLocation) == 3


@pytest.mark.parametrize(
    ("voxels", "affine", "reason"),
    [
        (np.full((3, 3, 3), 0.5, dtype=np.float32), np.eye(4), "no volume of whole numbers"),
        (np.full((3, 3, 3), -1, dtype=np.int16), np.eye(4), "no volume of whole numbers"),
        (np.ones((3, 3, 3), dtype=np.uint8), np.eye(4) + np.eye(4, k=1) * [0, 0.4, 0, 0], "sheared axes"),
    ],
)
def test_what_dicom_cannot_hold_exactly_is_refused(
    tmp_path: Path, voxels: np.ndarray, affine: np.ndarray, reason: str
) -> None:
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "odd.nii")
    with pytest.raises(Fault, match=reason):
        series.write_series(tmp_path / "odd.nii", tmp_path / "series", name="Odd", description="odd")
