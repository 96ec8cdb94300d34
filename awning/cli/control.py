"""Talks to a running region through the socket in its data folder, which only its owner can open."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from awning.cli.fault import Fault


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(data: Path, command: str, timeout: float = 600.0, **given: Any) -> dict[str, Any]:
    """Run a control call of the region on `data` and return its answer. Raises Fault where none runs or it refuses."""
    connection = _Connection(data / "control.sock", timeout)
    try:
        connection.request(
            "POST", f"/_awning/control/{command}", json.dumps(given), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        content: dict[str, Any] = json.loads(response.read())
    except (FileNotFoundError, ConnectionRefusedError):
        raise Fault(f"No region runs on {data}. Start one with `awning up`, or name its folder with --data.") from None
    except (OSError, ValueError) as error:
        raise Fault(f"The region on {data} does not answer: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise Fault(str(content.get("error", f"The region answered with {response.status}.")))
    return content


def running(data: Path) -> bool:
    """Whether a region answers on this data folder."""
    try:
        ask(data, "status", timeout=5.0)
    except Fault:
        return False
    return True
