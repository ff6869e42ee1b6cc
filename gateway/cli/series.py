"""The scan of the demo: a DICOM series of real anatomy.

With the kit of test data: its 192 slices of a head. Without: the MNI152 template (a brain), which PyPI's `nilearn`
wheel carries, written as a series. Nothing of nilearn is installed or run.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.faults import Fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KIT_SERIES = "dicom_t1/sag-anon-192-slices.tar.xz"
TEMPLATE = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
RAS_TO_LPS = (-1.0, -1.0, 1.0)
"""NIfTI counts towards right, front and head, DICOM towards left, back and head (PS3.3 C.7.6.2.1.1)."""


def unpack(kit: Path, folder: Path) -> str:
    """The kit's series into `folder`; returns what it is. Files below one name, whatever folders the archive has."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(kit / KIT_SERIES) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                (folder / Path(member.name).name).write_bytes(stream.read())
    return "a head, T1-weighted, 192 sagittal slices (FNNDSC/SAG-anon)"


def write_template(folder: Path) -> str:
    """The MNI152 template as a series in `folder`; returns what it is. Raises Fault when it cannot be had."""
    with tempfile.TemporaryDirectory() as scratch:
        template = fetch_template(Path(scratch))
        count = write_series(template, folder, name="MNI152^Template", description="MNI152 2009a T1")
    return f"the MNI152 template brain, T1-weighted, {count} axial slices (PyPI: nilearn)"


def fetch_template(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*command, "--only-binary=:all:", "--dest", str(scratch), "nilearn"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Fault(
            "The demo's brain could not be downloaded from PyPI (pip download nilearn): check the network, or point "
            f"CHRYSALIS_KIT at a kit of test data.\n{done.stderr.strip()[-500:]}"
        )
    with zipfile.ZipFile(next(scratch.glob("nilearn-*.whl"))) as wheel:
        return Path(wheel.extract(TEMPLATE, scratch))


def write_series(nifti: Path, folder: Path, *, name: str, description: str) -> int:
    """A NIfTI volume of whole numbers as an axial MR series, one file a slice; returns how many.

    Raises Fault for values that 16 bits cannot hold exactly, and for sheared axes, which DICOM cannot tell.
    """
    import nibabel
    import numpy as np

    image = nibabel.as_closest_canonical(nibabel.load(nifti))
    voxels = np.asanyarray(image.dataobj)
    if voxels.ndim != 3 or voxels.min() < 0 or voxels.max() > 65535 or np.any(voxels != np.rint(voxels)):
        raise Fault(
            f"{nifti.name} is no volume of whole numbers from 0 to 65535: it cannot become a DICOM series exactly."
        )
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    axes = image.affine[:3, :3] / spacing
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-4):
        raise Fault(f"{nifti.name} has sheared axes: a DICOM series cannot hold it.")
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(voxels.shape[2]):
        dataset = slice_dataset(voxels, image.affine, spacing, index)
        dataset.PatientName, dataset.PatientID, dataset.SeriesDescription = name, name.split("^")[0], description
        dataset.ProtocolName = description
        dataset.save_as(folder / f"{index + 1:04d}.dcm", enforce_file_format=True)
    return int(voxels.shape[2])


def slice_dataset(voxels: NDArray[Any], affine: NDArray[np.floating], spacing: NDArray[np.floating], index: int) -> Any:
    """One axial slice as a reader expects it: columns run to the patient's left, rows to the back.

    So both in-plane axes of the RAS volume are turned round, and the first pixel is its last voxel.
    """
    import numpy as np

    turn = np.array(RAS_TO_LPS)
    axes = affine[:3, :3] / spacing
    corner = (affine @ [voxels.shape[0] - 1, voxels.shape[1] - 1, index, 1])[:3]
    dataset = blank(index)
    dataset.ImagePositionPatient = decimals(turn * corner)
    dataset.ImageOrientationPatient = decimals(np.concatenate([turn * -axes[:, 0], turn * -axes[:, 1]]))
    dataset.PixelSpacing = decimals([spacing[1], spacing[0]])  # between rows, then between columns (PS3.3 10.7.1.3)
    dataset.SliceThickness = dataset.SpacingBetweenSlices = decimals([spacing[2]])[0]
    dataset.SliceLocation = decimals([corner[2]])[0]
    dataset.Columns, dataset.Rows = voxels.shape[0], voxels.shape[1]
    dataset.PixelData = np.ascontiguousarray(voxels[::-1, ::-1, index].T, dtype="<u2").tobytes()
    return dataset


def blank(index: int) -> Any:
    """The header that all slices share but for their number. Identifiers are derived: the same every time."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    uid = generate_uid(entropy_srcs=["chrysalis", "template", str(index)])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["chrysalis", "template", "study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["chrysalis", "template", "series"])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["chrysalis", "template", "frame"])
    dataset.Modality, dataset.Manufacturer = "MR", "Chrysalis"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "20090901", "120000", "1", ""
    dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = 1, 1, index + 1
    dataset.PatientBirthDate = dataset.PatientSex = dataset.ReferringPhysicianName = ""
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.MRAcquisitionType = "GR", "NONE", "3D"
    dataset.PatientPosition = "HFS"
    dataset.ImageType = ["DERIVED", "SECONDARY", "M"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    return dataset


def decimals(values: Any) -> list[str]:
    """Decimal strings of at most 16 characters, as DICOM wants them (VR DS, PS3.5 6.2)."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(value) + 0.0) for value in values]
