"""Says where a workload's processor time goes: `python -m bench.profile send`, function by function.

py-spy samples the running server from outside; its shares are multiplied with the processor time per request that the
same workload costs without it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.generator import replay, write_requests
from bench.measure import Pace, measure
from bench.servers import ROOT, SERVERS, make_environment, running
from bench.tenant import settle
from bench.workloads import WORKLOADS, Stage, Workload

FRAME = re.compile(r"^(?P<name>.*) \((?P<file>awning/[^)]*)\)$")
RATE = 400  # samples a second
WAITING = ("PyThread_acquire_lock_timed", "take_gil", "epoll_pwait", "fdatasync")  # off the processor, in native code

# A sample belongs to its innermost frame of STAGES; one without such a frame to its innermost one of REST.
STAGES = [
    ("garbage collection", "gc_collect_main ("),
    ("read the head", "read (awning/net/head.py)"),
    ("find service and bucket", "Gateway.address "),
    ("check the signature", "Gateway.identify "),
    ("take the body", "Gateway.receive "),
    ("parse", "Gateway.understand "),
    ("judge by policies", "Gateway.authorise "),
    ("log and count", "Gateway.note "),
    ("write the reply's members", "BoundOperation.write "),
    ("send", "Outgoing.write "),
    ("build the reply's head", "Connection._respond "),
    ("commit, in its thread", "_commit (awning/store/writer.py)"),
    ("the operation: its statements", "Run.run "),
    ("the operation: around its statements", "Room.run "),
]
REST = [
    ("batches", "(awning/store/writer.py)"),
    ("wake who waits", "(awning/store/completion.py)"),
    ("gateway, the rest", "(awning/gateway/"),
    ("connections, the rest", "(awning/net/"),
]


def stage_of(frames: tuple[str, ...]) -> str:
    """What a sample was spent on, in the words of STAGES and REST."""
    for marks in (STAGES, REST):
        for frame in reversed(frames):
            for title, mark in marks:
                if mark in frame:
                    return title
    return "event loop, and the rest"


def sample(stage: Stage, workload: Workload, seconds: float) -> Counter[tuple[str, ...]]:
    """Stacks of the server under the workload, outermost frame first, with how often each was seen."""
    spy = make_environment("py-spy", "py-spy")
    plan = workload.plan(stage)
    requests, stacks = stage.folder / "profile.requests", stage.folder / "stacks"
    write_requests(requests, plan.requests)
    load = threading.Thread(
        target=replay,
        args=(requests, stage.running.port),
        kwargs={"seconds": seconds + 1, "connections": workload.connections, "limit": plan.limit},
    )
    load.start()
    command = [str(spy / "bin" / "py-spy"), "record", "--native", "--nolineno", "--format", "raw"]
    options = ["--rate", str(RATE), "--duration", str(max(1, round(seconds))), "--output", str(stacks)]
    subprocess.run([*command, *options, "--pid", str(stage.running.pid)], check=True, stdout=subprocess.DEVNULL)
    load.join()
    found: Counter[tuple[str, ...]] = Counter()
    for line in stacks.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        if not any(f"{wait} (" in frames for wait in WAITING):
            found[tuple(frames.split(";"))] += int(count)
    return found


def own(frames: tuple[str, ...]) -> list[str]:
    """The frames of the package itself; a stack without one belongs to the thread's outermost frame."""
    names = [f"{match['file']} {match['name']}" for frame in frames if (match := FRAME.match(frame))]
    return names or [f"(outside) {frames[-1]}"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--lines", type=int, default=30)
    options = parser.parse_args()
    workload = WORKLOADS[options.workload]
    (ROOT / "build" / "bench").mkdir(parents=True, exist_ok=True)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "build" / "bench") as data,
        running(SERVERS["awning"], Path(data)) as up,
    ):
        stage = Stage(up, settle(up.endpoint), Path(data))
        result = measure(stage, workload, Pace(0.7, 2.0))
        if result.cpu_us is None:
            print(result.refusal, file=sys.stderr)
            return 1
        stacks = sample(stage, workload, options.seconds)
    stages: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    exclusive: Counter[str] = Counter()
    leaves: Counter[str] = Counter()
    for frames, count in stacks.items():
        names = own(frames)
        exclusive[names[-1]] += count
        leaves[frames[-1]] += count
        stages[stage_of(frames)] += count
        for name in set(names):
            inclusive[name] += count
    total = stacks.total()
    console.print(f"{workload.title}: {result.cpu_us:.1f} µs per request; {total} samples.")
    titles = {
        "stages": stages,
        "with all it calls": inclusive,
        "itself, and what it calls outside awning": exclusive,
        "leaf": leaves,
    }
    for title, counts in titles.items():
        table = Table("function", "µs/request", "share", title=title, title_justify="left")
        for name, count in counts.most_common(options.lines):
            table.add_row(name, f"{result.cpu_us * count / total:.1f}", f"{count / total:.1%}")
        console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
