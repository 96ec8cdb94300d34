"""`awning env`: variables that point AWS clients at the region, for a shell's eval."""

from __future__ import annotations

import argparse
import os
import shlex

from awning.cli.control import ask
from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser)
    parser.add_argument("--tls", action="store_true", help="use HTTPS, with the region's own authority")
    parser.add_argument("--unset", action="store_true", help="print what takes the variables back")


def run(arguments: argparse.Namespace) -> int:
    """Print the variables; returns 0."""
    if arguments.unset:
        for name in (*variables("", 0, None), "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            print(f"unset {name}")
        return 0
    data = data_folder(arguments.data)
    try:
        state = ask(data, "status")
        host, port = state["host"], int(state["port"])
    except Fault:
        host, port = "127.0.0.1", 4566
    authority = str(data / "ca" / "ca.pem") if arguments.tls else None
    for name, value in variables(host, port, authority).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def variables(host: str, port: int, authority: str | None) -> dict[str, str]:
    """Return the variables for a region at this address; `authority` is its root certificate where HTTPS is wanted."""
    reached = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    own = os.environ.get("AWNING_ROOT_ACCESS_KEY_ID")
    found = {
        "AWS_ENDPOINT_URL": f"{'https' if authority else 'http'}://{reached}:{port}",
        "AWS_ACCESS_KEY_ID": own or "test",
        "AWS_SECRET_ACCESS_KEY": os.environ.get("AWNING_ROOT_SECRET_ACCESS_KEY", "test") if own else "test",
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        "AWS_REGION": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    }
    if authority:
        found["AWS_CA_BUNDLE"] = authority
        found["NODE_EXTRA_CA_CERTS"] = authority
    return found
