"""`awning down`: stop the region that runs on a data folder, and wait until it has."""

from __future__ import annotations

import argparse
import os
import time

from awning.cli.control import ask
from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser)
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait (default: 30)")


def run(arguments: argparse.Namespace) -> int:
    """Stop the region; returns 0 once its process has ended."""
    data = data_folder(arguments.data)
    pid = int(ask(data, "status")["pid"])
    ask(data, "stop")
    deadline = time.monotonic() + arguments.timeout
    while time.monotonic() < deadline:
        if not _alive(pid):
            print("Stopped.")
            return 0
        time.sleep(0.05)
    raise Fault(f"The region (process {pid}) still finishes what runs; wait, or end it with `kill {pid}`.")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False
