"""`awning s3 replicate`: replicate what is in a bucket already, and what could not be, by the bucket's replication rules."""

from __future__ import annotations

import argparse
from typing import Any

from awning.cli.control import ask
from awning.cli.folders import add_data, data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="replicate", required=True)
    text = "replicate what is in a bucket already, or could not be, by its replication rules"
    replicate = actions.add_parser("replicate", help=text, description=text[0].upper() + text[1:] + ".")
    replicate.add_argument("bucket", metavar="BUCKET", help="the bucket that has the rules")
    add_data(replicate)


def run(arguments: argparse.Namespace) -> int:
    """Send all versions on their way, step by step, and print how many; returns 0."""
    data = data_folder(arguments.data)
    sent = 0
    at: dict[str, Any] | None = {}
    while at is not None:
        said = ask(data, "s3.replicate", bucket=arguments.bucket, **at)
        sent += said["sent"]
        at = None if said["key"] is None else {"key": said["key"], "age": said["age"]}
    print(f"{sent} versions and delete markers of {arguments.bucket} are on their way.")
    return 0
