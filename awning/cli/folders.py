"""Where a region's data and the compiled models are, told from arguments, variables and the system's customs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the option --data."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=None,
        help="the data folder (default: $AWNING_DATA, else ~/.local/share/awning)",
    )


def data_folder(given: Path | None) -> Path:
    """Return the data folder as an absolute path; it need not exist."""
    if given is None:
        named = os.environ.get("AWNING_DATA")
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
        given = Path(named) if named else base / "awning"
    return given.expanduser().absolute()


def cache_folder() -> Path:
    """Return the folder of compiled models."""
    named = os.environ.get("AWNING_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "awning"
