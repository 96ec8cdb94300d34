"""`awning acm ca|list|validate`: trust the region's private authority, see what waits to be validated, and validate it.

`validate` is the word of whoever owns the data folder that the names are theirs: no DNS record and no mail is needed then.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from awning.cli.control import ask
from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder
from awning.cli.tables import plain, wide_console

_LOOK = 0.05
_PATIENCE = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ca|list|validate", required=True)
    _action(actions, "ca", "print the certificate of the authority that issues, for clients that are to trust it")
    listed = _action(actions, "list", "show the certificates that wait to be validated, and the records that they want")
    listed.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    validate = _action(actions, "validate", "validate a certificate's names, and wait until it is issued or renewed")
    validate.add_argument("arn", metavar="ARN", help="the certificate's")
    validate.add_argument("--no-wait", action="store_true", help="do not wait until it is issued")


def _action(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    add_data(action)
    return action


def run(arguments: argparse.Namespace) -> int:
    """Ask the running region; returns 0."""
    data = data_folder(arguments.data)
    match arguments.action:
        case "ca":
            sys.stdout.write(_authority(data))
        case "list":
            _list(data, as_json=arguments.json)
        case _:
            _validate(data, arguments.arn, wait=not arguments.no_wait)
    return 0


def _authority(data: Path) -> str:
    """The authority's certificate; it is made now where there is none."""
    end = time.monotonic() + _PATIENCE
    while (certificate := ask(data, "acm.ca")["certificate"]) is None:
        if time.monotonic() >= end:
            raise Fault("The authority is still being made; ask again.")
        time.sleep(_LOOK)
    return str(certificate)


def _list(data: Path, *, as_json: bool) -> None:
    waiting = ask(data, "acm.show")["certificates"]
    if as_json:
        for certificate in waiting:
            print(json.dumps(certificate))
        return
    from rich.table import Table

    table = Table("requested (UTC)")
    for column in ("certificate", "domain", "by", "state", "CNAME record", "its value"):
        # What is to be copied is never cut.
        table.add_column(column, overflow="fold")
    for certificate in waiting:
        at = datetime.fromtimestamp(certificate["created"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        for entry in certificate["records"]:
            by_dns = certificate["method"] == "DNS"
            wanted = (entry["Name"], entry["Value"]) if by_dns else ("", "")
            cells = (certificate["arn"], entry["domain"], certificate["method"], entry["status"], *wanted)
            table.add_row(at, *map(plain, cells))
    wide_console().print(table)


def _validate(data: Path, arn: str, *, wait: bool) -> None:
    before = _state(data, arn)
    ask(data, "acm.validate", arn=arn)
    end = time.monotonic() + _PATIENCE
    while wait:
        now = _state(data, arn)
        renews = now["renewal"] == "PENDING_AUTO_RENEWAL"
        if now["status"] != "PENDING_VALIDATION" and (not renews or now["generation"] > before["generation"]):
            print(f"{now['domain']}: {now['status']}", file=sys.stderr)
            return
        if time.monotonic() >= end:
            raise Fault(f"{arn} is validated, and still being issued.")
        time.sleep(_LOOK)


def _state(data: Path, arn: str) -> dict[str, Any]:
    state: dict[str, Any] = ask(data, "acm.show", arn=arn)["certificates"][0]
    return state
