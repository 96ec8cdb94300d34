"""Plays a power cut: from a log of changes, the folder as the disk may hold it when what was not synced is lost.

The rule is POSIX's strict one: a file's bytes are durable after an fsync of the file that began after they were written, a
name after an fsync of its folder. What was not synced is dropped, or any part of it is there: bytes in torn sectors of 512,
names in order up to some point.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.fsync.driver import CREATED, EMPTIED, Event, Kind

SECTOR = 512


@dataclass(slots=True)
class Change:
    """A write, or (without data) a change of the size."""

    at: int
    data: bytes | None


@dataclass(slots=True)
class File:
    """A file's durable bytes, and what came after them. `applied` counts the changes that are durable."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)
    applied: int = 0

    def sync(self, count: int) -> None:
        """Make the first `count` changes ever made durable."""
        ready = count - self.applied
        if ready > 0:
            for change in self.pending[:ready]:
                apply(self.durable, change)
            del self.pending[:ready]
            self.applied = count

    def changes(self) -> int:
        return self.applied + len(self.pending)


@dataclass(slots=True)
class Naming:
    """A change of names that is not durable yet: `before` goes, `after` comes and means `thing` (None: a folder)."""

    before: str | None
    after: str | None
    thing: File | None
    folders: frozenset[str]
    number: int


def apply(content: bytearray, change: Change) -> None:
    if change.data is None:
        if change.at < len(content):
            del content[change.at :]
        else:
            content.extend(bytes(change.at - len(content)))
        return
    if change.at > len(content):
        content.extend(bytes(change.at - len(content)))
    content[change.at : change.at + len(change.data)] = change.data


class Disk:
    """The disk under one folder. Make it before the process starts, feed it the log, then take images."""

    def __init__(self, root: Path) -> None:
        self.root = str(root.resolve())
        self._names: dict[str, File | None] = {}
        self._seen: dict[str, File | None] = {}
        self._inodes: dict[int, File] = {}
        self._pending: list[Naming] = []
        self._count = 0
        self._syncs: dict[int, tuple[File | None, int]] = {}
        self.until = 0
        """The time of the last event fed."""
        for path in sorted(root.resolve().rglob("*")):
            if path.is_dir():
                self._names[str(path)] = None
            elif path.is_file():
                made = self._inodes[path.stat().st_ino] = File(bytearray(path.read_bytes()))
                self._names[str(path)] = made
        self._seen = dict(self._names)

    def feed(self, events: Iterable[Event], until: int | None = None) -> None:
        """Take in events; those after `until` (monotonic nanoseconds) have not happened."""
        for event in events:
            if until is not None and event.nanoseconds > until:
                return
            self.until = event.nanoseconds
            self._take(event)

    def image(self, target: Path, chance: random.Random | None = None) -> None:
        """Write the folder as it may be after the cut: without `chance` only what is durable, else some of the rest too."""
        names = dict(self._names)
        kept = 0 if chance is None else chance.randint(0, len(self._pending))
        for naming in self._pending[:kept]:
            rename(names, naming)
        target.mkdir(parents=True)
        for name in sorted(names):
            if name.endswith("-shm"):
                continue
            path = target / Path(name).relative_to(self.root)
            if not path.parent.exists():
                continue
            thing = names[name]
            if thing is None:
                path.mkdir()
            else:
                path.write_bytes(survived(thing, chance))

    def _take(self, event: Event) -> None:
        match event.kind:
            case Kind.OPENED:
                if event.number & CREATED:
                    made = self._inodes[event.inode] = File()
                    self._name(None, event.path, made)
                elif event.number & EMPTIED:
                    self._file(event.inode).pending.append(Change(0, None))
            case Kind.WRITTEN:
                self._file(event.inode).pending.append(Change(event.number, event.data))
            case Kind.TRUNCATED:
                self._file(event.inode).pending.append(Change(event.number, None))
            case Kind.MADE:
                self._name(None, event.path, None)
            case Kind.UNLINKED | Kind.REMOVED:
                self._name(event.path, None, None)
            case Kind.RENAMED:
                self._name(event.path, event.other, self._seen[event.path])
            case Kind.LINKED:
                self._name(None, event.other, self._seen[event.path])
            case Kind.SYNC_BEGUN:
                thing = self._inodes.get(event.inode) if not self._is_folder(event.path) else None
                self._syncs[event.number] = (thing, thing.changes() if thing is not None else self._count)
            case Kind.SYNC_ENDED:
                synced, count = self._syncs.pop(event.number)
                if event.error:
                    return
                if synced is not None:
                    synced.sync(count)
                else:
                    self._sync_folder(event.path, count)
            case Kind.UNKNOWN:
                raise NotImplementedError(f"{event.other} changed {event.path}: an image would be wrong")

    def _is_folder(self, path: str) -> bool:
        return path == self.root or (path in self._seen and self._seen[path] is None)

    def _file(self, inode: int) -> File:
        return self._inodes[inode]

    def _name(self, before: str | None, after: str | None, thing: File | None) -> None:
        folders = frozenset(name.rpartition("/")[0] for name in (before, after) if name is not None)
        self._count += 1
        naming = Naming(before, after, thing, folders, self._count)
        rename(self._seen, naming)
        self._pending.append(naming)

    def _sync_folder(self, path: str, count: int) -> None:
        rest = []
        for naming in self._pending:
            if path in naming.folders and naming.number <= count:
                rename(self._names, naming)
            else:
                rest.append(naming)
        self._pending = rest


def rename(names: dict[str, File | None], naming: Naming) -> None:
    if naming.before is not None:
        names.pop(naming.before, None)
    if naming.after is not None:
        names[naming.after] = naming.thing


def survived(file: File, chance: random.Random | None) -> bytes:
    """Return a file's bytes after the cut."""
    if chance is None or not file.pending:
        return bytes(file.durable)
    content = bytearray(file.durable)
    share = chance.choice((0.0, 0.5, 0.9, 1.0))
    for change in file.pending:
        if change.data is None:
            if chance.random() < share:
                apply(content, change)
            continue
        at, end = change.at, change.at + len(change.data)
        while at < end:
            stop = min(end, (at // SECTOR + 1) * SECTOR)
            if chance.random() < share:
                apply(content, Change(at, change.data[at - change.at : stop - change.at]))
            at = stop
    return bytes(content)
