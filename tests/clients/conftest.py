"""What the client tests share: names of their own, names under *.localhost, and clients that set-up installs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"clients-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def localhost_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolves *.localhost to the loopback as RFC 6761 asks of resolvers; glibc does not everywhere."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest) -> bool:
    """Whether the client comes by HTTPS."""
    return bool(request.param == "https")


@pytest.fixture
def aws(region: Any, tls: bool) -> Callable[..., Any]:
    """The AWS command line: `aws("sqs", "list-queues")` gives what it printed, decoded where it is JSON."""
    return command(region.env(tls=tls))


@pytest.fixture
def aws_http(region: Any) -> Callable[..., Any]:
    """The AWS command line by HTTP only."""
    return command(region.env())


def command(environment: dict[str, str]) -> Callable[..., Any]:
    def run(*arguments: str, fails: str = "", **further: str) -> Any:
        if arguments[0] == "sqs":  # version 1 overrides AWS_ENDPOINT_URL for SQS (overridesslcommonname.py)
            arguments = (*arguments, "--endpoint-url", environment["AWS_ENDPOINT_URL"])
        done = subprocess.run(
            [str(Path(sys.executable).with_name("aws")), *arguments],
            capture_output=True,
            text=True,
            env={**environment, "AWS_PAGER": "", **further},
            timeout=120,
            check=False,
        )
        if fails:
            assert done.returncode != 0
            assert fails in done.stderr
            return done.stderr
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    return run


@pytest.fixture
def installed() -> Callable[[str], Path]:
    """Where a client is that set-up installs; fails when it is not there."""

    def find(path: str) -> Path:
        if not (ROOT / path).exists():
            pytest.fail(f"{path} is missing: run `make setup`")
        return ROOT / path

    return find
