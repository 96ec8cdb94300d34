"""Prints what was measured: tables for people, JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import Machine
from bench.measure import Report, Result

BEGIN, END = "<!-- measured -->", "<!-- end -->"


def print_report(console: Console, report: Report) -> None:
    """One server's table."""
    table = Table(
        title=f"{report.server.name} {report.version} ({report.server.note})", title_justify="left", title_style="bold"
    )
    table.add_column("workload")
    table.add_column("conn.", justify="right")
    for name in ("CPU µs/req", "req/s", "MB/s", "p50 ms", "p99 ms", "requests", "errors", "generator"):
        table.add_column(name, justify="right")
    for result in report.results:
        table.add_row(result.workload.title, str(result.connections), *_cells(result))
    console.print(table)
    console.print(
        f"Started in {report.start_seconds:.2f} s; "
        f"memory {report.idle_mib:.0f} MiB idle, {report.loaded_mib:.0f} MiB after."
    )
    for result in report.results:
        if result.refusal:
            console.print(f"[red]{result.workload.title}: not measured: {result.refusal}", highlight=False)
        elif result.run and result.run.errors:
            run = result.run
            console.print(
                f"[red]{result.workload.title}: {run.by_status}, {run.broken} broken; first error: {run.first_error}",
                highlight=False,
            )
    console.print()


def _cells(result: Result) -> list[str]:
    run = result.run
    if run is None or result.cpu_us is None or result.rate is None:
        return ["–"] * 8
    return [
        f"{result.cpu_us:,.1f}" if result.cpu_us < 100 else f"{result.cpu_us:,.0f}",
        f"{result.rate:,.0f}" if result.rate >= 100 else f"{result.rate:,.1f}",
        f"{result.megabytes:,.0f}" if result.megabytes else "",
        f"{run.p50_us / 1000:,.2f}",
        f"{run.p99_us / 1000:,.2f}",
        f"{run.requests:,}",
        f"{run.errors:,}",
        f"{run.generator_cpu_seconds / run.seconds:.0%}" if run.seconds else "",
    ]


def print_ratios(console: Console, ours: Report, others: Sequence[Report]) -> None:
    """How many times the requests per processor-second of each other server ours answers."""
    table = Table(
        title=f"{ours.server.name}'s requests per server-CPU-second, as a multiple of each peer's",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("workload")
    for other in others:
        table.add_column(other.server.name, justify="right")
    for result in ours.results:
        table.add_row(result.workload.title, *[_ratio(result, other) for other in others])
    console.print(table)


def ratio(ours: Result, theirs: Result) -> float | None:
    """Requests per server-CPU-second, ours by theirs; None where either has errors or no figure."""
    if not ours.cpu_us or not theirs.cpu_us or ours.run is None or theirs.run is None:
        return None
    return None if ours.run.errors or theirs.run.errors else theirs.cpu_us / ours.cpu_us


def _ratio(result: Result, other: Report) -> str:
    theirs = _same(result, other)
    found = ratio(result, theirs) if theirs else None
    return "–" if found is None else f"{found:.1f} ×"


def _same(result: Result, other: Report) -> Result | None:
    return next((one for one in other.results if one.workload.name == result.workload.name), None)


def as_markdown(machine: Machine, reports: Sequence[Report]) -> str:
    """The tables of docs/performance.md."""
    ours, others = reports[0], reports[1:]
    parts = [f"{machine}.\n"]
    rows = [["workload", "budget", "CPU µs/request", "requests/s", "MB/s", "p50 ms", "p99 ms", "requests", "errors"]]
    for result in ours.results:
        rows.append([result.workload.title, result.workload.budget, *_cells(result)[:-1]])
    parts += [f"### {ours.server.name} {ours.version}\n\n{ours.server.note.capitalize()}.\n", _markdown_table(rows)]
    heads = [cell for other in others for cell in (f"{other.server.name} {other.version}", "ratio")]
    rows = [["CPU µs/request", ours.server.name, *heads]]
    for result in ours.results:
        row = [result.workload.title, _cells(result)[0]]
        for other in others:
            theirs = _same(result, other)
            row += [_cells(theirs)[0], _ratio(result, other)] if theirs else ["", ""]
        rows.append(row)
    parts += ["### Beside others\n", _markdown_table(rows)]
    large = [
        f"{report.server.name} {result.megabytes:,.0f} MB/s"
        for report in reports
        for result in report.results
        if result.workload.name == "get-64m" and result.megabytes
    ]
    if large:
        parts.append(f"GetObject of 64 MiB: {', '.join(large)}.\n")
    starts = [
        f"{report.server.name} {report.start_seconds:.2f} s and {report.idle_mib:.0f} MiB"
        + (f" ({report.loaded_mib:.0f} MiB after all workloads)" if report.loaded_mib else "")
        for report in reports
    ]
    parts.append(f"Start until the first answer, and memory then: {', '.join(starts)}.\n")
    return "\n".join(parts)


def _markdown_table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    return "\n".join(lines) + "\n"


def write_into(path: Path, tables: str) -> None:
    """Replaces what stands between the two marks of a Markdown file."""
    text = path.read_text()
    head, found, rest = text.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}")
    path.write_text(f"{head}{BEGIN}\n{tables}\n{END}{tail}")


def as_json(machine: Machine, reports: Sequence[Report]) -> dict[str, Any]:
    """Everything, with plain types only."""
    return {
        "machine": asdict(machine),
        "servers": [
            {
                "name": report.server.name,
                "version": report.version,
                "note": report.server.note,
                "start_seconds": report.start_seconds,
                "idle_mib": report.idle_mib,
                "loaded_mib": report.loaded_mib,
                "workloads": [_plain(result) for result in report.results],
            }
            for report in reports
        ],
    }


def _plain(result: Result) -> dict[str, Any]:
    return {
        "name": result.workload.name,
        "connections": result.connections,
        "cpu_us_per_request": result.cpu_us,
        "requests_per_second": result.rate,
        "mb_per_second": result.megabytes,
        "refusal": result.refusal,
        **(asdict(result.run) if result.run else {}),
    }
