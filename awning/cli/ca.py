"""`awning ca`: the root certificate of the region's own authority, for clients that are to trust its HTTPS."""

from __future__ import annotations

import argparse
import sys

from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser)
    parser.add_argument("--path", action="store_true", help="print where the certificate is, not the certificate")


def run(arguments: argparse.Namespace) -> int:
    """Print the root certificate as PEM; returns 0."""
    path = data_folder(arguments.data) / "ca" / "ca.pem"
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise Fault(f"There is no {path} yet: the first `awning up` makes it.") from None
    except OSError as error:
        raise Fault(f"{path}: {error.strerror}") from None
    if arguments.path:
        print(path)
    else:
        sys.stdout.write(text)
    return 0
