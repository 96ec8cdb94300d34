"""`awning snapshot save|load FILE`: a whole region in one file."""

from __future__ import annotations

import argparse
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
        add_data(action)


def run(arguments: argparse.Namespace) -> int:
    """Save or load; returns 0."""
    data = data_folder(arguments.data)
    file = arguments.file.expanduser().absolute()
    if arguments.action == "save":
        done = ask(data, "snapshot", timeout=24 * 3600.0, file=str(file))
        print(f"Saved {done['bytes']:,} bytes in {file}.")
        return 0
    if running(data):
        raise Fault(f"A region runs on {data}; stop it with `awning down` first.")
    try:
        with _Progress("Loading") as progress:
            snapshot.load(file, data, progress=progress.show)
    except (StoreError, OSError) as error:
        raise Fault(f"{file}: {error}") from None
    print(f"Loaded {file} into {data}.")
    return 0


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
