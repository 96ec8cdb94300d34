"""`awning iam explain|suggest|mfa`: why a request was allowed or denied; the smallest policy for what a principal was seen to do;
the second factor of an account's root, which AWS sets up for who has signed in as the root.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from awning.auth.decision import lines_of
from awning.cli.control import ask
from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="explain|suggest|mfa", required=True)
    explain = actions.add_parser(
        "explain", help="say which statement decided a request, and why the others did not apply"
    )
    explain.add_argument(
        "request_id",
        metavar="REQUEST_ID",
        nargs="?",
        help="as the reply, the error and the log have it; without it, the latest that was denied",
    )
    explain.add_argument("--principal", metavar="ARN", help="the latest that was denied to this user, role or root")
    suggest = actions.add_parser("suggest", help="write the smallest policy for what a principal was seen to do")
    suggest.add_argument("--principal", required=True, metavar="ARN", help="of a user, a role, or an account's root")
    suggest.add_argument("--denied", action="store_true", help="for what it was denied as well")
    mfa = actions.add_parser("mfa", help="make, enable or remove a virtual MFA device of an account's root")
    mfa.add_argument(
        "what", choices=("make", "enable", "remove"), help="make it, and show its secret this once; enable it"
    )
    mfa.add_argument(
        "codes", metavar="CODE", nargs="*", help="for enable: two codes of the device that follow each other"
    )
    mfa.add_argument("--account", default="000000000000", metavar="ID", help="the account (default: 000000000000)")
    mfa.add_argument(
        "--name", default="root-account-mfa-device", help="the device's (default: root-account-mfa-device)"
    )
    for action in (explain, suggest, mfa):
        action.add_argument("--json", action="store_true", help="for a program")
        add_data(action)


def run(arguments: argparse.Namespace) -> int:
    """Ask the running region, and print what it says; returns 0."""
    data = data_folder(arguments.data)
    if arguments.action == "suggest":
        said = ask(data, "suggest", principal=arguments.principal, denied=arguments.denied)
        print(json.dumps(said["policy"], indent=None if arguments.json else 2))
        return 0
    if arguments.action == "mfa":
        return _mfa(data, arguments)
    if arguments.request_id is not None and arguments.principal is not None:
        raise Fault("A REQUEST_ID says enough: leave --principal out.")
    said = ask(data, "explain", request=arguments.request_id, principal=arguments.principal)
    if arguments.json:
        print(json.dumps(said))
    else:
        _show(said)
    return 0


def _mfa(data: Path, arguments: argparse.Namespace) -> int:
    if len(arguments.codes) != (2 if arguments.what == "enable" else 0):
        raise Fault(
            "`awning iam mfa enable CODE CODE` takes two codes that follow each other; make and remove take none."
        )
    account, name = arguments.account, arguments.name
    said = ask(data, "iam.root-mfa", action=arguments.what, account=account, name=name, codes=arguments.codes)
    if arguments.json:
        print(json.dumps(said))
    else:
        for value in said.values():
            print(value)
    return 0


def _show(said: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    refused = iter(said["explanations"])
    for decision in said["decisions"]:
        console.print(escape(f"{decision['action']} on {decision['resource']} for {decision['caller']}"))
        explained = {**decision, "policies": []} if decision["allowed"] else next(refused, {**decision, "policies": []})
        for number, line in enumerate(lines_of(explained)):
            colour = "green" if decision["allowed"] else "red"
            console.print(f"[{colour}]{escape(line)}[/]" if number == 0 else escape(line))
