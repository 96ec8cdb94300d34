"""`awning reset`: delete all that a region holds, whether it runs or not.

Its certificate authority stays, so that clients go on trusting it, and its master key, which reveals nothing more.
"""

from __future__ import annotations

import argparse
import sys

from awning.cli.control import ask, running
from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder
from awning.store.errors import FolderError
from awning.store.folder import DataFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--all", action="store_true", help="the certificate authority too")


def run(arguments: argparse.Namespace) -> int:
    """Delete the data; returns 0 when it is gone, 1 when the user thought better of it."""
    data = data_folder(arguments.data)
    if not data.exists():
        print(f"There is nothing at {data}.")
        return 0
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise Fault(f"This deletes all of {data}; say --yes.")
        if input(f"Delete all that the region at {data} holds? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
    if running(data):
        if arguments.all:
            raise Fault("A region that runs keeps its certificate authority; stop it with `awning down` first.")
        ask(data, "reset")
        print(f"Deleted what the region on {data} held; it goes on, empty.")
        return 0
    try:
        folder = DataFolder.open(data)
    except FolderError as error:
        raise Fault(str(error)) from None
    try:
        folder.clear(*(("ca",) if arguments.all else ()))
    except OSError as error:
        raise Fault(f"{data}: {error.strerror or error}") from None
    finally:
        folder.close()
    print(f"Deleted what {data} held.")
    return 0
