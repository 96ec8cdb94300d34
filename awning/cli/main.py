"""The command `awning`: finds the subcommand and runs it. Each subcommand is a file of this folder.

Exit codes: 0 done, 1 failed, 2 something that the user can mend, said in one line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from awning import __version__
from awning.cli.fault import Fault

COMMANDS = {
    "up": "run a region in the foreground",
    "down": "stop the region that runs on a data folder",
    "status": "show what runs",
    "env": 'print variables for a shell: eval "$(awning env)"',
    "reset": "delete all that a region holds",
    "doctor": "look for what is missing, and say how to mend it",
    "ca": "print the root certificate of the region's authority",
    "snapshot": "save a region to one file, or load one",
    "acm": "validate certificates, and print the certificate of the authority that issues them",
    "iam": "explain a decision, suggest a policy, set up a root's second factor",
    "s3": "replicate what is in a bucket already",
    "sns": "show the texts, pushes and mails that were logged, and sent to nobody",
    "sqs": "look into queues, fill them, drain them, redrive what failed",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="awning", description="A cloud region of your own.")
    parser.add_argument("--version", action="version", version=f"awning {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    given = list(sys.argv[1:] if arguments is None else arguments)
    wanted = next((word for word in given if word in COMMANDS), None)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == wanted:
            import_module(f"awning.cli.{name}").add_arguments(command)
    parsed = parser.parse_args(given)
    try:
        return int(import_module(f"awning.cli.{parsed.command}").run(parsed))
    except Fault as fault:
        print(f"awning: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
