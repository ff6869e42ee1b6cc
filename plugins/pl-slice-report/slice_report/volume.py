"""A volume as the pictures need it: axes towards the patient's right, front and head, spacing in millimetres."""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".nii", ".nii.gz")


class Unreadable(Exception):
    """A file that is no picture; the text says why."""


@dataclass(frozen=True)
class Volume:
    """`voxels[i, j, k]`: i grows to the patient's right, j to the front, k to the head (RAS+), however stored."""

    name: str
    voxels: NDArray[np.float32]
    spacing: tuple[float, float, float]
    stored: str
    shape: tuple[int, ...]
    dtype: str
    tilt: float


def find(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name.lower().endswith(SUFFIXES))


def read(path: Path, name: str) -> Volume:
    """Raises Unreadable."""
    try:
        image = nibabel.load(path)
        if not isinstance(image, nibabel.spatialimages.SpatialImage):
            raise Unreadable("it holds no voxels")
        if len(image.shape) < 3:
            raise Unreadable(f"it has {len(image.shape)} dimensions, a volume has three")
        return upright(image, name)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError, TypeError) as error:
        raise Unreadable(f"it is damaged or no NIfTI ({type(error).__name__})") from error


def upright(image: nibabel.spatialimages.SpatialImage, name: str) -> Volume:
    """Turn and flip the axes to RAS+; nothing is resampled. Of more than three dimensions the first volume is taken."""
    affine = image.affine
    first = (slice(None),) * 3 + (0,) * (len(image.shape) - 3)
    data = np.asanyarray(image.dataobj[first])
    if data.dtype.names or np.iscomplexobj(data) or not data.size:
        raise Unreadable("its voxels are colours, complex numbers or missing: intensities are needed")
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(data.astype(np.float32), affine))
    spacing = nibabel.affines.voxel_sizes(canonical.affine)
    if not np.all(np.isfinite(spacing)) or spacing.min() <= 0:
        raise Unreadable("its header gives voxels no size")
    return Volume(
        name=name,
        voxels=finite(np.asarray(canonical.dataobj)),
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        stored="".join(nibabel.aff2axcodes(affine)),
        shape=tuple(int(length) for length in image.shape),
        dtype=str(image.get_data_dtype()),
        tilt=float(np.degrees(nibabel.affines.obliquity(affine).max())),
    )


def finite(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without NaN and infinity, which would be every statistic's result: they count as 0."""
    return voxels if np.isfinite(voxels).all() else np.nan_to_num(voxels, nan=0.0, posinf=0.0, neginf=0.0)
