"""`awning sns log`: the text messages and pushes that SNS would have handed on; none of them was sent. `awning sns mail`: the
mail that it wrote, which lies in the data folder's spool; no region need run for that."""

from __future__ import annotations

import argparse
import email
import email.policy
import json
import sys
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from awning.cli.control import ask
from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder
from awning.cli.tables import plain, wide_console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="log|mail", required=True)
    text = "show the newest texts and pushes; they are logged, and sent to nobody"
    log = actions.add_parser("log", help=text, description=text[0].upper() + text[1:] + ".")
    log.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default: 20, most: 1000)")
    log.add_argument("--kind", choices=("sms", "push"), help="only text messages, or only pushes")
    log.add_argument("--to", dest="target", metavar="TARGET", help="only to this number or endpoint ARN")
    log.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    add_data(log)
    text = "show the newest mail of the spool, or one whole mail; none of it left the machine"
    mail = actions.add_parser("mail", help=text, description=text[0].upper() + text[1:] + ".")
    mail.add_argument("name", nargs="?", metavar="NAME", help="show this one whole, as the list names it")
    mail.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default: 20)")
    mail.add_argument("--to", dest="target", metavar="ADDRESS", help="only to this address")
    mail.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    add_data(mail)


def run(arguments: argparse.Namespace) -> int:
    """Print the log or the mail; returns 0."""
    return _mail(arguments) if arguments.action == "mail" else _log(arguments)


def _mail(arguments: argparse.Namespace) -> int:
    spool = data_folder(arguments.data) / "mail"
    if arguments.name is not None:
        path = spool / f"{Path(arguments.name).name.removesuffix('.eml')}.eml"
        if not path.is_file():
            raise Fault(f"There is no mail {arguments.name} in {spool}.")
        sys.stdout.write(path.read_text("utf-8", "replace"))
        return 0
    if arguments.limit < 1:
        raise Fault("The limit must be at least 1.")
    found: list[dict[str, Any]] = []
    # Their names begin with the time at which they were written.
    for path in sorted(spool.glob("*.eml"), reverse=True):
        message = email.message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=email.policy.default)
        if arguments.target in (None, str(message["To"])):
            found.append({"name": path.stem, "to": str(message["To"]), "subject": str(message["Subject"])})
        if len(found) == arguments.limit:
            break
    found.reverse()
    if arguments.json:
        for entry in found:
            print(json.dumps(entry))
        return 0
    from rich.table import Table

    table = Table("name", "to", "subject (not sent)")
    for entry in found:
        table.add_row(*(plain(entry[name]) for name in ("name", "to", "subject")))
    wide_console().print(table)
    return 0


def _log(arguments: argparse.Namespace) -> int:
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
    from rich.table import Table

    table = Table("at (UTC)", "kind", "to", "about", "message (logged, not sent)")
    for entry in found["entries"]:
        at = datetime.fromtimestamp(entry["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(at, entry["kind"], *(plain(entry[name]) for name in ("target", "about", "body")))
    wide_console().print(table)
    return 0
