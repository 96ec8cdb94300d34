"""The servers that can be measured: how each is installed, started, awaited and stopped.

A peer lives in a virtual environment of its own, so that no dependency of it mixes with awning's.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from bench import cpu
from bench.generator import Unreachable

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv" / "peers"
START_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is run: `command(port, data)` with `environment(port, data)` added to ours."""

    name: str
    command: Callable[[int, Path], list[str]]
    note: str
    environment: Callable[[int, Path], dict[str, str]] = lambda port, data: {}
    package: str | None = None  # of a peer: its name on PyPI; the version range is in pyproject.toml
    ready_line: str | None = None  # without one, any answer to GET / says that it is ready

    def install(self) -> None:
        """Makes the peer's virtual environment, once."""
        if self.package is not None:
            make_environment(self.name, self.package)

    def version(self) -> str:
        """The installed version."""
        if self.package is None:
            return metadata.version("awning") if _installed("awning") else "from the source tree"
        ask = f"from importlib.metadata import version; print(version({self.package!r}))"
        done = subprocess.run(
            [str(PEERS / self.name / "bin" / "python"), "-c", ask], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


def make_environment(name: str, package: str) -> Path:
    """A virtual environment for one package, by the range that the extra `bench` gives it; made once."""
    folder = PEERS / name
    if (folder / "bin" / "python").exists():
        return folder
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["bench"]
    requirement = next(line for line in extra if line.startswith(package))
    PEERS.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, requirement], check=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


SERVERS = {
    server.name: server
    for server in [
        Server(
            "awning",
            command=lambda port, data: [
                *(sys.executable, "-m", "awning", "up"),
                *("--host", "127.0.0.1", "--port", str(port), "--data", str(data / "region")),
            ],
            environment=lambda port, data: {"AWNING_CACHE": str(ROOT / ".venv" / "cache")},
            note="signatures, policies and fsync on",
            ready_line="Ready.",
        ),
        Server(
            "moto",
            package="moto",
            command=lambda port, data: [str(PEERS / "moto" / "bin" / "moto_server"), "-p", str(port)],
            note="checks no signature and no policy; keeps everything in memory",
        ),
        Server(
            "ministack",
            package="ministack",
            command=lambda port, data: [str(PEERS / "ministack" / "bin" / "ministack")],
            environment=lambda port, data: {
                "GATEWAY_PORT": str(port),
                "BIND_HOST": "127.0.0.1",
                "TMPDIR": str(data),
            },
            note="checks no signature and no policy; keeps everything in memory",
        ),
    ]
}


@dataclass(slots=True)
class Running:
    """A server that runs: where, as which process, and how long it took to answer."""

    server: Server
    port: int
    pid: int
    log: Path
    start_seconds: float
    idle_mib: float = field(default=0.0)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(server: Server, data: Path) -> Iterator[Running]:
    """Starts the server on a free port with an empty folder for its data; stops it at the end."""
    port = free_port()
    log = data / f"{server.name}.log"
    environment = {**os.environ, **server.environment(port, data)}
    for name in [name for name in environment if name.startswith("AWS_")]:
        del environment[name]
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            server.command(port, data), stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT
        )
    try:
        while not _ready(server, port, log):
            if process.poll() is not None or time.perf_counter() - started > START_TIMEOUT:
                raise RuntimeError(f"{server.name} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        yield Running(server, port, process.pid, log, seconds, cpu.resident_mib(process.pid))
    except Unreachable as error:
        ended = process.poll()
        state = "still runs" if ended is None else f"ended with {ended}"
        raise RuntimeError(f"{error}; {server.name} {state}:\n{log.read_text(errors='replace')[-3000:]}") from error
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(server: Server, port: int, log: Path) -> bool:
    if server.ready_line is not None:
        return server.ready_line in log.read_text(errors="replace")
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
    except urllib.error.HTTPError:  # it answers, if only to say no
        return True
    except OSError:
        return False
    return True


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
