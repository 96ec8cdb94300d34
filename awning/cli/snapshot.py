"""`awning snapshot save|load FILE`: a whole region in one file; its master key goes with it under a passphrase."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path

from awning.cli.control import ask, running
from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder
from awning.store import snapshot
from awning.store.errors import StoreError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="save|load", required=True)
    for name, text in (("save", "save a running region"), ("load", "load into an empty data folder")):
        action = actions.add_parser(name, help=text)
        action.add_argument("file", type=Path, metavar="FILE")
        action.add_argument(
            "--passphrase-file", type=Path, metavar="F", help="read the passphrase here (or AWNING_SNAPSHOT_PASSPHRASE)"
        )
        if name == "save":
            action.add_argument(
                "--without-key", action="store_true", help="leave the master key out: who loads it must have the key"
            )
        add_data(action)


def run(arguments: argparse.Namespace) -> int:
    """Save or load; returns 0."""
    data = data_folder(arguments.data)
    file = arguments.file.expanduser().absolute()
    if arguments.action == "save":
        passphrase = None if arguments.without_key else _passphrase(arguments.passphrase_file, twice=True)
        if passphrase is None and not arguments.without_key:
            raise Fault(
                "A snapshot carries the region's master key under a passphrase: set AWNING_SNAPSHOT_PASSPHRASE, name a "
                "--passphrase-file, or leave the key out by --without-key."
            )
        done = ask(data, "snapshot", timeout=24 * 3600.0, file=str(file), passphrase=passphrase)
        print(f"Saved {done['bytes']:,} bytes in {file}.")
        return 0
    if running(data):
        raise Fault(f"A region runs on {data}; stop it with `awning down` first.")
    passphrase = _passphrase(arguments.passphrase_file) if snapshot.carries_key(file) else None
    try:
        with _Progress("Loading") as progress:
            snapshot.load(file, data, passphrase=passphrase, progress=progress.show)
    except (StoreError, OSError) as error:
        raise Fault(f"{file}: {error}") from None
    print(f"Loaded {file} into {data}.")
    return 0


def _passphrase(named: Path | None, twice: bool = False) -> str | None:
    """The passphrase from where the user has it; None where there is nobody to ask."""
    if named is not None:
        try:
            text = named.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Fault(f"{named}: {error}") from None
        if not text:
            raise Fault(f"{named} is empty.")
        return text
    if given := os.environ.get("AWNING_SNAPSHOT_PASSPHRASE"):
        return given
    if not sys.stdin.isatty():
        return None
    text = getpass.getpass("Passphrase of the snapshot: ")
    if not text:
        raise Fault("A passphrase is not empty.")
    if twice and getpass.getpass("Once more: ") != text:
        raise Fault("The two passphrases differ.")
    return text


class _Progress:
    """A progress bar on a terminal; nothing elsewhere."""

    def __init__(self, text: str) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(text, total=None)

    def __enter__(self) -> _Progress:
        if self._bar.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.console.is_terminal:
            self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """Bytes done of bytes in all."""
        self._bar.update(self._task, completed=done, total=total)
