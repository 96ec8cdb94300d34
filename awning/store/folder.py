"""DataFolder: where everything of a region lies, and the lock that gives it to one process.

A folder that is not for us is left exactly as it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from awning.store.errors import LockedFolder, NewerFolder, SnapshotRefused, UnreadableFolder
from awning.store.files import remove, sync_folder, write_whole
from awning.store.vault import CHECK_FILE, KEY_FILE, Vault

FORMAT = 1
_LOCK = "awning.lock"
_REGION = "region.json"
_PARTS = ("rooms", "blobs", "ca")
_KEYS = (KEY_FILE, CHECK_FILE)
_EMPTYING = "emptying"
_TRAIL = "trail.json"


class DataFolder:
    """A region's folder, locked for as long as it is open.

    rooms/NAME.db    a room's database        ca/             the certificate authority
    blobs/NAME/      a room's blobs           control.sock    the owner's way in
    region.json      the format's version     awning.lock     flock'ed; holds the owner's process id
    mail/            mail that went no further: a log, emptied with the region, and in no snapshot
    master.key       unless it is given from outside
    vault.json       by which a master key is known to be the right one
    emptying         there while the region is being emptied: the next start finishes what a crash cut short
    """

    def __init__(self, path: Path, lock: int, vault: Vault) -> None:
        self.path = path
        self.vault = vault
        self._lock = lock

    @classmethod
    def open(cls, path: Path, environment: Mapping[str, str] = os.environ) -> DataFolder:
        """Open a folder, or make a new one where there is none or an empty one. `environment`: see Vault.open.

        Raises UnreadableFolder, LockedFolder, NewerFolder or MasterKeyError; then nothing was touched.
        """
        path = path.absolute()
        try:
            fresh = _look(path)
            Vault.look(path, environment)
            if fresh:
                _make(path)
            lock = _take_lock(path)
        except OSError as error:
            raise UnreadableFolder(path, error.strerror or str(error)) from error
        try:
            _look(path)  # again: whoever had the lock until now may have changed it
            if (path / _EMPTYING).exists():
                _empty(path)
            for part in _PARTS:
                (path / part).mkdir(mode=0o700, exist_ok=True)
            if not (path / _REGION).exists():
                write_whole(path / _REGION, json.dumps({"format": FORMAT}).encode())
            vault = Vault.open(path, environment)
            sync_folder(path)
        except OSError as error:
            os.close(lock)
            raise UnreadableFolder(path, error.strerror or str(error)) from error
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock, vault)

    @property
    def ca(self) -> Path:
        return self.path / "ca"

    @property
    def mail(self) -> Path:
        """The spool of mail; made by who writes the first."""
        return self.path / "mail"

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    def database(self, name: str) -> Path:
        """Return the path of a room's database."""
        return self.path / "rooms" / f"{name}.db"

    def blobs(self, name: str) -> Path:
        """Return the folder of a room's blobs."""
        return self.path / "blobs" / name

    def begin_emptying(self) -> None:
        """Note, durably, that all is to go: from here on there is no way back. Raises OSError."""
        write_whole(self.path / _EMPTYING, b"")

    def end_emptying(self) -> None:
        """Delete the mail, and note that all databases have been emptied. Raises OSError."""
        _delete_mail(self.path)
        remove(self.path / _EMPTYING)
        sync_folder(self.path)

    def clear(self, *further: str) -> None:
        """Delete all databases and blobs of a region that does not run, and the `further` parts ("ca"). Raises OSError."""
        self.begin_emptying()
        _empty(self.path, *further)

    def close(self) -> None:
        """Let the folder go. Safe to call twice."""
        if self._lock >= 0:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = -1


def _delete_mail(path: Path) -> None:
    if (path / "mail").exists():
        shutil.rmtree(path / "mail")


def _empty(path: Path, *further: str) -> None:
    for part in ("rooms", "blobs", *further):
        if (path / part).exists():
            shutil.rmtree(path / part)
        (path / part).mkdir(mode=0o700)
    _delete_mail(path)
    remove(path / _TRAIL)
    sync_folder(path)
    remove(path / _EMPTYING)
    sync_folder(path)


def check_format(path: Path, content: bytes) -> None:
    """Check what region.json says. Raises NewerFolder, UnreadableFolder."""
    try:
        found = json.loads(content)["format"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise UnreadableFolder(path, f"its {_REGION} is damaged")
    if found > FORMAT:
        raise NewerFolder(path, found, FORMAT)


@contextlib.contextmanager
def clear_empty(path: Path) -> Iterator[Callable[[], None]]:
    """Lock a folder that holds no region's data, and yield what removes it, so that another may take its place.

    Raises SnapshotRefused where it holds anything worth keeping, LockedFolder, OSError.
    """
    with contextlib.ExitStack() as stack:
        if (path / _LOCK).exists():
            stack.callback(os.close, _take_lock(path, sign=False))
        names = set(os.listdir(path)) if path.exists() else set()
        full = names - {_LOCK, _REGION, "control.sock", *_PARTS, *_KEYS, "trail.json"}
        full |= {part for part in names.intersection(_PARTS) if any((path / part).iterdir())}
        if full:
            raise SnapshotRefused(f"The data folder {path} is not empty: it holds {', '.join(sorted(full))}.")

        def make_room() -> None:
            for name in names:
                each = path / name
                each.rmdir() if each.is_dir() else each.unlink()

        yield make_room


def _look(path: Path) -> bool:
    """Look without touching; True where there is nothing yet. Raises FolderError, OSError."""
    try:
        names = set(os.listdir(path))
    except FileNotFoundError:
        return True
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise UnreadableFolder(path, os.strerror(errno.EACCES))
    if _REGION in names:
        check_format(path, (path / _REGION).read_bytes())
    elif names - {_LOCK, f"{_REGION}.new", *_PARTS, *_KEYS}:
        raise UnreadableFolder(path, "it holds other things, and no region")
    return not names


def _make(path: Path) -> None:
    """Create the folder and those above it, durably."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        sync_folder(each.parent)


def _take_lock(path: Path, sign: bool = True) -> int:
    """Return the descriptor that holds the lock, with our process id in it. Raises LockedFolder, OSError."""
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if sign:
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).strip()
        os.close(lock)
        raise LockedFolder(path, int(owner) if owner.isdigit() else 0) from None
    except BaseException:
        os.close(lock)
        raise
    return lock
