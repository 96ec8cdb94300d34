"""`awning doctor`: look for what is missing or does not resolve, and say how to mend it. Changes nothing."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from awning.cli import variables
from awning.cli.control import running
from awning.cli.fault import Fault
from awning.cli.folders import add_data, cache_folder, data_folder
from awning.cli.up import KNOWN
from awning.store.errors import FolderError
from awning.store.vault import Vault, exposed

NAMES = ("localhost", "bucket.s3.localhost", "localhost.localstack.cloud")
"""Host names that clients may be given; glibc and Node do not resolve names under localhost everywhere."""

LEAST_FREE = 1024**3
LEAST_FILES = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. state: "ok", "note" (something works less well) or "fault"."""

    state: str
    what: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser)
    parser.add_argument("--port", type=int, default=4566, help="the port that `awning up` is to use (default: 4566)")
    parser.add_argument("--domain", metavar="D", default=None, help="the further host name that `awning up` is given")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; returns 1 where there is a fault."""
    from rich.console import Console
    from rich.table import Table

    data = data_folder(arguments.data)
    findings = list(examine(data, arguments.port, arguments.domain))
    table = Table("", "found", "remedy")
    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "fault": "[red]fault[/]"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.what, finding.remedy)
    Console().print(table)
    return int(any(finding.state == "fault" for finding in findings))


def examine(data: Path, port: int, domain: str | None) -> Iterator[Finding]:
    """Yield what was found."""
    yield Finding("ok", f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")
    alive = running(data)
    yield from examine_folder(data)
    yield from examine_folder(cache_folder(), optional=True)
    yield examine_key(data)
    yield examine_port(port, alive)
    yield from (examine_name(name) for name in (*NAMES, *((domain, f"bucket.s3.{domain}") if domain else ())))
    yield examine_files()
    yield from examine_aws_cli()
    yield from examine_variables()


def examine_folder(folder: Path, optional: bool = False) -> Iterator[Finding]:
    """Can it be written, and has its disk room?"""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK) or not there.is_dir():
        state = "note" if optional else "fault"
        yield Finding(
            state, f"{folder} cannot be written.", f"Give yourself rights to {there}, or name another folder."
        )
        return
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE:
        yield Finding(
            "note", f"{folder}: {free // 1024**2} MiB are free.", "Make room, or name a folder on another disk."
        )
    else:
        yield Finding("ok", f"{folder} can be written; {free / 1024**3:.0f} GiB are free.")


def examine_key(data: Path) -> Finding:
    """Is the master key there, the right one, and nobody else's to read?"""
    try:
        vault = Vault.look(data, os.environ)
        seen = exposed(data)
    except (FolderError, OSError) as error:
        return Finding("fault", str(error), "Without its master key a region does not start.")
    if vault is None:
        return Finding("ok", "A master key will be made with the data folder.")
    if seen is not None:
        return Finding("fault", f"The master key can be read by others: {seen}.", "Then change the region's secrets.")
    return Finding("ok", "The master key is given from outside." if vault.given else "The master key is there.")


def examine_port(port: int, alive: bool) -> Finding:
    """Is the port free, or ours already?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            if alive:
                return Finding("ok", f"Port {port} is in use, and a region runs.")
            return Finding("fault", f"Port {port} is taken.", "Stop what uses it, or choose another with --port.")
    return Finding("ok", f"Port {port} is free.")


def examine_name(name: str) -> Finding:
    """Does a host name lead to this machine?"""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(name, None)}
    except OSError:
        return Finding(
            "note", f"{name} does not resolve.", f"Use path-style addresses, or add `127.0.0.1 {name}` to /etc/hosts."
        )
    if found & {"127.0.0.1", "::1"}:
        return Finding("ok", f"{name} leads to this machine.")
    return Finding(
        "note", f"{name} leads to {', '.join(sorted(found))}.", "Clients that use this name miss the region."
    )


def examine_files() -> Finding:
    """How many connections may be open at once?"""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < LEAST_FILES:
        return Finding("note", f"Only {hard} files may be open at once.", f"Raise it: `ulimit -n {LEAST_FILES}`.")
    return Finding("ok", f"{soft} files may be open at once.")


def examine_aws_cli() -> Iterator[Finding]:
    """Is it one that overlooks AWS_ENDPOINT_URL?"""
    command = shutil.which("aws")
    if command is None:
        return
    try:
        said = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("note", f"{command} does not run: {error}")
        return
    if said.startswith("aws-cli/1."):
        yield Finding(
            "note",
            f"{said.split()[0]} overlooks AWS_ENDPOINT_URL for SQS.",
            'Say `aws sqs --endpoint-url "$AWS_ENDPOINT_URL" …`, or use version 2.',
        )


def examine_variables() -> Iterator[Finding]:
    """Do this shell's variables lead AWS clients to a region?"""
    url = os.environ.get("AWS_ENDPOINT_URL")
    if url is None:
        yield Finding("note", "AWS_ENDPOINT_URL is not set: clients of this shell go to AWS.", 'eval "$(awning env)"')
    else:
        yield Finding("ok", f"AWS_ENDPOINT_URL is {url}.")
    for name in ("LOCALSTACK_AUTH_TOKEN", "LOCALSTACK_API_KEY"):
        if os.environ.get(name):
            yield Finding("note", f"{name} is set; awning needs no token.", f"unset {name}")
    try:
        given = variables.read(KNOWN)
    except Fault as fault:
        yield Finding("fault", str(fault), "Mend or unset it.")
        return
    if given.temporary:
        yield Finding("note", "PERSISTENCE=0: `awning up` keeps nothing.", "unset PERSISTENCE")
    yield from (Finding("note", note) for note in given.notes if not note.startswith("Variables read"))
