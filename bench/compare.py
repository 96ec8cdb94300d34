"""Measures awning and peers in turn with the same workloads, and prints the ratio of what a processor-second buys.

`python -m bench.compare moto ministack`; README.md beside this file says how to add a peer.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.machine import describe
from bench.measure import Pace, Report, measure_server, nginx_baseline
from bench.report import as_json, as_markdown, print_ratios, print_report, write_into
from bench.servers import ROOT, SERVERS
from bench.workloads import WORKLOADS, Workload

PEER_NAMES = [name for name in SERVERS if name != "awning"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every entry point has."""
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="comma-separated; default: all")
    parser.add_argument("--seconds", type=float, default=2.5, help="of measurement per workload (default 2.5)")
    parser.add_argument("--warm", type=float, default=0.7, help="seconds of warm-up per workload (default 0.7)")
    parser.add_argument("--data", type=Path, help="where servers keep their data (default: build/bench)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this Markdown file, too")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(options: argparse.Namespace, names: Sequence[str]) -> int:
    """Measures the named servers in turn and prints what was found; 1 if a workload of awning's failed."""
    unknown = [name for name in options.workloads.split(",") if name not in WORKLOADS]
    if unknown:
        print(f"No workload is called {', '.join(unknown)}; there are {', '.join(WORKLOADS)}.", file=sys.stderr)
        return 2
    chosen = [WORKLOADS[name] for name in options.workloads.split(",")]
    pace = Pace(options.warm, options.seconds)
    home = options.data or ROOT / "build" / "bench"
    home.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=options.json)
    if not console.is_terminal:
        console = Console(stderr=options.json, width=140)
    for name in names:
        SERVERS[name].install()
    machine = describe(home)
    console.print(f"On {machine}.\n", highlight=False)
    reports = []
    with console.status("") as status:
        for name in names:
            with tempfile.TemporaryDirectory(dir=home) as data:
                reports.append(measure_server(SERVERS[name], chosen, pace, Path(data), status.update))
            if not options.json:
                print_report(console, reports[-1])
        baseline = _baseline(chosen, pace, home, console)
        if baseline is not None:
            reports.append(baseline)
            if not options.json:
                print_report(console, baseline)
    if options.write:
        write_into(options.write, as_markdown(machine, reports))
    if options.json:
        print(json.dumps(as_json(machine, reports), indent=2))
    elif len(reports) > 1 and reports[0].server.name == "awning":
        print_ratios(console, reports[0], reports[1:])
    ours = next((report for report in reports if report.server.name == "awning"), None)
    failed = ours is not None and any(result.run is None or result.run.errors for result in ours.results)
    return 1 if failed else 0


def _baseline(chosen: Sequence[Workload], pace: Pace, home: Path, console: Console) -> Report | None:
    workload = next((one for one in chosen if one.name == "get-64m"), None)
    if workload is None:
        return None
    with tempfile.TemporaryDirectory(dir=home) as data:
        report = nginx_baseline(workload, pace, Path(data))
    if report is None:
        console.print("nginx is not installed: no baseline for GetObject of 64 MiB.\n")
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("peers", nargs="+", choices=PEER_NAMES, metavar="PEER", help=" or ".join(PEER_NAMES))
    add_options(parser)
    options = parser.parse_args()
    return run(options, ["awning", *options.peers])


if __name__ == "__main__":
    sys.exit(main())
