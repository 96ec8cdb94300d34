"""`awning sns log`: the text messages and pushes that SNS would have handed on; none of them was sent."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from awning.cli.control import ask
from awning.cli.folders import add_data, data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="log", required=True)
    text = "show the newest texts and pushes; they are logged, and sent to nobody"
    log = actions.add_parser("log", help=text, description=text[0].upper() + text[1:] + ".")
    log.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default: 20, most: 1000)")
    log.add_argument("--kind", choices=("sms", "push"), help="only text messages, or only pushes")
    log.add_argument("--to", dest="target", metavar="TARGET", help="only to this number or endpoint ARN")
    log.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    add_data(log)


def run(arguments: argparse.Namespace) -> int:
    """Print the log; returns 0."""
    found = ask(
        data_folder(arguments.data),
        "sns.log",
        limit=arguments.limit,
        kind=arguments.kind,
        target=arguments.target,
    )
    if arguments.json:
        for entry in found["entries"]:
            print(json.dumps(entry))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("at (UTC)", "kind", "to", "about", "message (logged, not sent)")
    for entry in found["entries"]:
        at = datetime.fromtimestamp(entry["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(at, entry["kind"], entry["target"], entry["about"], entry["body"])
    Console().print(table)
    return 0
