"""`awning iam explain|suggest`: why a request was allowed or denied; the smallest policy for what a principal was seen to do."""

from __future__ import annotations

import argparse
import json
from typing import Any

from awning.cli.control import ask
from awning.cli.folders import add_data, data_folder

_REASONS = {
    "root": "the account's root may do anything in its account",
    "identity-allow": "an identity-based policy allows it",
    "resource-allow": "the resource's own policy allows it",
    "identity-deny": "an identity-based policy denies it explicitly",
    "boundary-deny": "the permissions boundary denies it explicitly",
    "session-deny": "a session policy denies it explicitly",
    "resource-deny": "the resource's own policy denies it explicitly",
    "no-identity-allow": "no identity-based policy allows it",
    "no-boundary-allow": "the permissions boundary does not allow it",
    "no-session-allow": "no session policy allows it",
    "no-resource-allow": "no resource-based policy allows it",
    "public-blocked": "the bucket's public access block sets its public policy aside",
    "not-enforced": "the region runs with --iam off",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="explain|suggest", required=True)
    explain = actions.add_parser(
        "explain", help="say which statement decided a request, and why the others did not apply"
    )
    explain.add_argument("request_id", metavar="REQUEST_ID", help="as the reply, the error and the log have it")
    suggest = actions.add_parser("suggest", help="write the smallest policy for what a principal was seen to do")
    suggest.add_argument("--principal", required=True, metavar="ARN", help="of a user, a role, or an account's root")
    suggest.add_argument("--denied", action="store_true", help="for what it was denied as well")
    for action in (explain, suggest):
        action.add_argument("--json", action="store_true", help="for a program")
        add_data(action)


def run(arguments: argparse.Namespace) -> int:
    """Ask the running region, and print what it says; returns 0."""
    data = data_folder(arguments.data)
    if arguments.action == "suggest":
        said = ask(data, "suggest", principal=arguments.principal, denied=arguments.denied)
        print(json.dumps(said["policy"], indent=None if arguments.json else 2))
        return 0
    said = ask(data, "explain", request=arguments.request_id)
    if arguments.json:
        print(json.dumps(said))
    else:
        _show(said)
    return 0


def _show(said: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    refused = iter(said["explanations"])
    for decision in said["decisions"]:
        verdict = "[green]allowed[/]" if decision["allowed"] else "[red]denied[/]"
        what = escape(f"{decision['action']} on {decision['resource']} for {decision['caller']}")
        console.print(f"{verdict} {what}")
        console.print(f"  because {_REASONS.get(decision['reason'], decision['reason'])}{_by(decision)}")
        if not decision["allowed"]:
            for line in _policies(next(refused, {"policies": []})):
                console.print(escape(line))


def _by(decision: dict[str, Any]) -> str:
    if decision["policy"] is None:
        return ""
    by = f": {decision['policy']}"
    return by if decision["statement"] is None else f"{by}, statement {decision['statement']}"


def _policies(explanation: dict[str, Any]) -> list[str]:
    lines = []
    for policy in explanation["policies"]:
        lines.append(f"  {policy['kind']} policy {policy['id']}")
        for statement in policy["statements"]:
            applies = "applies" if statement["applies"] else f"does not apply: {statement['because']}"
            lines.append(f"    {statement['effect']} statement {statement['statement']} {applies}")
    return lines or ["  it has no policies"]
