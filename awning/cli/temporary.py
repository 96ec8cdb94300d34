"""A data folder that lasts no longer than its region, and the removal of those whose region died too suddenly to do it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "awning-temporary-"
_LONGEST = 60
"""Characters of a path in which the control socket's own still fits a socket's address."""
_PATIENCE = 5.0
_YOUNG = 60.0
"""Seconds for which a folder may be in the making."""


class TemporaryFolder:
    """A folder of our own in the system's temporary folder; `data` is the data folder in it. remove() takes all of it away."""

    def __init__(self) -> None:
        base = Path(tempfile.gettempdir())
        if len(str(base)) > _LONGEST:
            base = Path("/tmp")
        sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.data = self.path / "data"

    def remove(self) -> None:
        """Remove it. Raises OSError."""
        until = time.monotonic() + _PATIENCE
        while self.path.exists():
            try:
                shutil.rmtree(self.path)
            except OSError:
                # A thread that the stop did not wait for may still put a file there.
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
        os.close(self._lock)


def sweep(folder: Path) -> None:
    """Remove the temporary folders of ours that no living process has locked. What cannot be removed stays."""
    for path in folder.glob(f"{_PREFIX}*"):
        try:
            found = path.stat()
            if found.st_uid != os.getuid() or time.time() - found.st_mtime < _YOUNG:
                continue
            lock = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # not ours, being made, or being removed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)
