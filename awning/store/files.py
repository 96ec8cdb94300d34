"""The few things that make a file's presence durable. Every name that must outlive a power cut goes through here."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(path: Path | str) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path | str) -> None:
    """Make a closed file's content durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put a small file in place as a whole, durably: readers see the old content or the new one. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(fresh, path)
    sync_folder(path.parent)


def remove(path: Path | str) -> bool:
    """Unlink a file; False where there was none. Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
