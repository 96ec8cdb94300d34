"""What the store raises.

StoreError
├── DataError            a database cannot be opened: path
│   ├── NewerData            written by a newer awning: found, known
│   ├── DamagedData          reason
│   └── UnreadableData       reason
├── FolderError          a data folder cannot be used: path; nothing in it was touched
│   ├── UnreadableFolder     reason
│   ├── LockedFolder         pid of the owner, 0 where it is not known
│   ├── NewerFolder          found, known
│   └── MasterKeyError       no master key, or not the one that the folder was sealed by
├── BatchFailed          a batch of units was rolled back; `full`: for want of space
├── WritesRefused        a room takes no writes: a failed fsync, or it is closed
├── BlobFailed           a blob was not stored; `full`: for want of space
└── SnapshotError        reason
    ├── SnapshotRefused      a snapshot file that is not to be loaded
    └── SnapshotFailed       a snapshot could not be saved
"""

from __future__ import annotations

from pathlib import Path


class StoreError(Exception):
    """Base of all that the store raises."""


class DataError(StoreError):
    """A database that cannot be opened."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


class NewerData(DataError):
    """A database whose schema is newer than this program's."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(path, f"{path} was written by a newer awning: its version is {found}, this one knows {known}.")
        self.found = found
        self.known = known


class DamagedData(DataError):
    """A file that is no database, not ours, or fails its integrity check."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"{path} is damaged: {reason}.")
        self.reason = reason


class UnreadableData(DataError):
    """A database that the system does not let us open or write."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"{path} cannot be opened: {reason}.")
        self.reason = reason


class FolderError(StoreError):
    """A data folder that cannot be used."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


class UnreadableFolder(FolderError):
    """Not a folder, not ours, or without the permissions that we need."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"The data folder {path} cannot be used: {reason}.")
        self.reason = reason


class LockedFolder(FolderError):
    """Another process works on this folder."""

    def __init__(self, path: Path, pid: int) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(path, f"The data folder {path} is in use by {owner}.")
        self.pid = pid


class NewerFolder(FolderError):
    """A folder whose layout is newer than this program's."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            path,
            f"The data folder {path} was written by a newer awning: its format is {found}, this one knows {known}.",
        )
        self.found = found
        self.known = known


class MasterKeyError(FolderError):
    """The folder's master key is missing, unreadable or another."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"{path}: {reason}.")
        self.reason = reason


class BatchFailed(StoreError):
    """The whole batch was rolled back, this unit with it. `__cause__` is the database's error."""

    def __init__(self, cause: BaseException, full: bool) -> None:
        super().__init__(f"The batch was rolled back: {cause}")
        self.__cause__ = cause
        self.full = full


class WritesRefused(StoreError):
    """This room takes no writes until it has been restarted. `__cause__` says why, where it broke."""

    def __init__(self, message: str, cause: BaseException | None = None) -> None:
        super().__init__(message)
        self.__cause__ = cause


class BlobFailed(StoreError):
    """A blob was not stored; nothing of it is left. `__cause__` is the system's error."""

    def __init__(self, message: str, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class SnapshotError(StoreError):
    """A snapshot could not be saved or loaded."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SnapshotRefused(SnapshotError):
    """A file that is no snapshot, damaged, hostile or too new; or a folder that is not empty. Nothing was changed."""


class SnapshotFailed(SnapshotError):
    """A snapshot was not saved; nothing of it is left."""
