"""A live region for tests that speak to one as a client does: a process of its own, on a free port, with its own data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


class LiveRegion:
    """A region in a process of its own. `start()` returns once it has said `Ready.`."""

    def __init__(self, data: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.data = data
        self.arguments = arguments
        self.environment = environment or {}
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.log = data.with_name(f"{data.name}.log")

    def start(self, port: int = 0) -> LiveRegion:
        with self.log.open("a") as log:
            at = log.tell()
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "awning",
                    "up",
                    "--port",
                    str(port or self.port),
                    "--data",
                    str(self.data),
                    *self.arguments,
                ],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "AWNING_CACHE": str(ROOT / ".venv" / "cache"),
                    **self.environment,
                },
            )
        for _ in range(1200):
            with self.log.open() as log:
                log.seek(at)
                said = log.read()
            if "Ready." in said:
                self.port = int(said.split("awning at http://", 1)[1].split(" ", 1)[0].rsplit(":", 1)[1])
                return self
            if self.process.poll() is not None:
                raise RuntimeError(f"The region ended with {self.process.returncode}:\n{said}")
            time.sleep(0.025)
        raise RuntimeError(f"The region did not get ready:\n{said}")

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it as Ctrl-C does; returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_endpoint(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def ca(self) -> Path:
        return self.data / "ca" / "ca.pem"

    def env(self, *, tls: bool = False, **further: str) -> dict[str, str]:
        """A clean environment for a client's process."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            "AWS_ENDPOINT_URL": self.tls_endpoint if tls else self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **({"AWS_CA_BUNDLE": str(self.ca), "NODE_EXTRA_CA_CERTS": str(self.ca)} if tls else {}),
            **further,
        }

    def client(
        self, service: str, *, key: str = "test", secret: str = "test", tls: bool = False, **options: Any
    ) -> Any:
        """A boto3 client, by default as the root of account 000000000000."""
        import boto3

        settings: dict[str, Any] = {
            "endpoint_url": self.tls_endpoint if tls else self.endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            **({"verify": str(self.ca)} if tls else {}),
            **options,
        }
        return boto3.session.Session().client(service, **settings)


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegion]:
    """One region for a whole test process: tests use names of their own."""
    live = LiveRegion(tmp_path_factory.mktemp("region") / "data").start()
    yield live
    live.stop()


@pytest.fixture
def own_region(tmp_path: Path) -> Iterator[LiveRegion]:
    """A region of a test's own, not yet started."""
    live = LiveRegion(tmp_path / "data")
    yield live
    if live.process is not None and live.process.poll() is None:
        live.kill()
