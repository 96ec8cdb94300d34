"""One measurement: prepare, check an answer, warm up, then count requests and the server's processor time.

What is counted begins before the first request, and ends when the server is calm after the last answer: what it does later for a
request (a topic's deliveries) is of the request's cost.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import cpu
from bench.generator import Request, Run, replay, saved_bodies, write_requests
from bench.servers import Running, Server, running
from bench.tenant import settle
from bench.workloads import LARGE, Plan, Refusal, Stage, Workload

SLOW = 0.03  # seconds for a lone request; 64 at once would outlast the measurement by far
SLOW_CONNECTIONS = 4
CALM = 0.2  # seconds
LONGEST_CALM = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of warm-up and of measurement for each workload."""

    warm: float = 0.7
    measure: float = 2.5


@dataclass(frozen=True, slots=True)
class Result:
    """What one workload cost one server; `refusal` says why there is no run."""

    workload: Workload
    connections: int
    run: Run | None
    server_cpu_seconds: float = 0.0
    refusal: str = ""
    afterwards: float = 0.0
    """Seconds from the last answer until the server was calm."""

    @property
    def cpu_us(self) -> float | None:
        """Server processor time per request, in µs."""
        return self.server_cpu_seconds * 1e6 / self.run.requests if self.run and self.run.requests else None

    @property
    def rate(self) -> float | None:
        """Requests per second of wall-clock time, until the server was calm again."""
        return self.run.requests / (self.run.seconds + self.afterwards) if self.run and self.run.seconds else None

    @property
    def megabytes(self) -> float | None:
        """MB (10^6 bytes) per second, for workloads that move much."""
        return self.rate * self.workload.payload / 1e6 if self.rate and self.workload.payload else None


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one server."""

    server: Server
    version: str
    start_seconds: float
    idle_mib: float
    loaded_mib: float
    results: list[Result]


def measure_server(
    server: Server, workloads: Iterable[Workload], pace: Pace, data: Path, say: Callable[[str], None]
) -> Report:
    """Starts the server with an empty folder, runs the workloads one after another, and stops it."""
    with running(server, data) as up:
        stage = Stage(up, settle(up.endpoint), data)
        results = []
        for workload in workloads:
            say(f"{server.name}: {workload.title}")
            results.append(measure(stage, workload, pace))
        loaded = cpu.resident_mib(up.pid)
        return Report(server, server.version(), up.start_seconds, up.idle_mib, loaded, results)


def measure(stage: Stage, workload: Workload, pace: Pace) -> Result:
    """One workload on a running server."""
    try:
        plan = workload.plan(stage)
        connections = min(workload.connections, SLOW_CONNECTIONS if check(stage, workload, plan) > SLOW else 64)
    except Refusal as refusal:
        return Result(workload, 0, None, refusal=str(refusal))
    warm, measured = _parts(plan)
    port, path = stage.running.port, stage.folder / "warm.requests"
    write_requests(path, warm.requests)
    replay(path, port, seconds=pace.warm, connections=connections, limit=warm.limit)
    path.unlink()
    return count(stage.running, workload, measured, pace.measure, connections, stage.folder)


def count(up: Running, workload: Workload, plan: Plan, seconds: float, connections: int, folder: Path) -> Result:
    """The measurement itself."""
    path = folder / "measured.requests"
    write_requests(path, plan.requests)
    calm_down(up)
    before = cpu.seconds(up.pid)
    run = replay(path, up.port, seconds=seconds, connections=connections, limit=plan.limit)
    afterwards = calm_down(up)
    used = cpu.seconds(up.pid) - before
    path.unlink()
    return Result(workload, connections, run, used, afterwards=afterwards)


def calm_down(up: Running) -> float:
    """Waits until the server uses a twentieth of a processor at most; how many seconds it had more to do."""
    began = time.perf_counter()
    while (now := time.perf_counter()) - began < LONGEST_CALM:
        used = cpu.seconds(up.pid)
        time.sleep(CALM)
        if cpu.seconds(up.pid) - used < CALM / 20:
            break
    return now - began


def check(stage: Stage, workload: Workload, plan: Plan) -> float:
    """Sends a request twice and looks at the answer; how many seconds the faster one took.

    Raises Refusal where the answer is wrong. Where requests may not be repeated, the plan's last two are taken from it.
    """
    path = stage.folder / "check"
    taken = []
    for _ in range(2):  # the first may find the server cold
        request = plan.requests.pop() if plan.once else plan.requests[0]
        started = time.perf_counter()
        stage.send_once([request], connections=1, save=path)
        taken.append(time.perf_counter() - started)
    bodies = [body for _, body in saved_bodies(path)]
    if len(bodies) != 1 or not workload.right(bodies[0]):
        raise Refusal(f"the answer is not right: {bodies[0][:300] if bodies else b''!r}")
    return min(taken)


def _parts(plan: Plan) -> tuple[Plan, Plan]:
    """A tenth for the warm-up and the rest, where requests must not be repeated or only so many have a sense."""
    if plan.once:
        warm = len(plan.requests) // 10
        first, rest = plan.requests[:warm], plan.requests[warm:]
        return Plan(first, limit=len(first)), Plan(rest, limit=len(rest))
    if plan.limit is not None:
        warm = plan.limit // 10
        return Plan(plan.requests, limit=warm), Plan(plan.requests, limit=plan.limit - warm - 2)
    return plan, plan


def nginx_baseline(workload: Workload, pace: Pace, data: Path) -> Report | None:
    """nginx with sendfile serving a file of the same size; None where it is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        return None
    (data / "files").mkdir()
    with (data / "files" / "large.bin").open("wb") as file:
        file.write(b"x" * LARGE)

    def command(port: int, folder: Path) -> list[str]:
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.error;\n"
            f"events {{ worker_connections 256; }}\n"
            f"http {{ sendfile on; tcp_nopush on; access_log {folder}/nginx.access;\n"
            f"  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;\n"
            f"  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {folder}/files; }} }}\n"
        )
        user = ["-g", "user root;"] if os.getuid() == 0 else []
        return [program, "-c", str(config), *user]

    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    server = Server("nginx", command=command, note="sendfile, one worker")
    with running(server, data) as up:
        plan = Plan([Request(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")])
        count(up, workload, plan, pace.warm, workload.connections, data)
        result = count(up, workload, plan, pace.measure, workload.connections, data)
        return Report(server, said.strip().rpartition("/")[2], up.start_seconds, up.idle_mib, 0.0, [result])
