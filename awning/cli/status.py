"""`awning status`: a table of what runs."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from awning.cli.control import ask
from awning.cli.folders import add_data, data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(arguments: argparse.Namespace) -> int:
    """Print the state of the region; returns 0, or 1 where a service is broken."""
    state = ask(data_folder(arguments.data), "status")
    if arguments.json:
        print(json.dumps(state, indent=2))
    else:
        _print(state)
    return int(any(value != "running" for value in state["services"].values()))


def _print(state: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"awning, process {state['pid']}, at http://{state['host']}:{state['port']}, data in {state['data']}",
        highlight=False,
    )
    if not state["enforce"]:
        console.print("Permissions are not checked (--iam off).", style="bold red")
    table = Table("service", "state", "figures")
    for name, value in sorted(state["services"].items()):
        figures = [
            f"{metric} {_labels(labels)}{number:g}"
            for metric, labels, number in state["gauges"]
            if metric.startswith(f"{name}_")
        ]
        table.add_row(name, value, "\n".join(figures[:20]))
    console.print(table)
    passes = Table("background pass", "last run (UTC)", "last error")
    for item in state["passes"]:
        at = datetime.fromtimestamp(item["last_run"], UTC).strftime("%H:%M:%S") if item["last_run"] else "-"
        passes.add_row(item["name"], at, item["last_error"] or "-")
    console.print(passes)


def _labels(labels: list[list[str]]) -> str:
    return " ".join(value for _, value in labels) + " " if labels else ""
