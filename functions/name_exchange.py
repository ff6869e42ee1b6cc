"""Exchange what two paths name, in one step: Linux' renameat2(2) with RENAME_EXCHANGE, which Python does not offer."""

from __future__ import annotations

import ctypes
import errno
import os

from functions.errors import Permanent

AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""From linux/fcntl.h and linux/fs.h."""


def exchange(one: bytes, other: bytes) -> None:
    """Both must exist. Raises OSError as the system says, and Permanent where the file system cannot do it."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None and rename(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0:
        return
    code = errno.ENOSYS if rename is None else ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        name = os.path.basename(other).decode(errors="replace")
        raise Permanent(f"The file system cannot hold both a file and a folder named {name!r}. Rename one of them.")
    raise OSError(code, os.strerror(code), other)
