"""Scripts that the user wants run while a region starts, when it is ready, and before it stops.

A script that fails is reported, and the next one runs. The folders and the shown states are the closed emulator's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAGES = ("BOOT", "START", "READY", "SHUTDOWN")
"""boot.d and start.d run before the region listens, ready.d before it says `Ready.`, shutdown.d while it still answers."""

_LAST_WORDS = 0.5
"""Seconds that a script's output has to end after the script: what it left running in the background may hold it open."""

WELL_KNOWN_FOLDER = Path("/etc/localstack/init")


@dataclass(slots=True)
class Script:
    """A script and what became of it: "UNKNOWN" (not run yet), "RUNNING", "SUCCESSFUL" or "ERROR"."""

    stage: str
    name: str
    path: Path
    state: str = "UNKNOWN"


class Hooks:
    """The scripts of a folder with boot.d, start.d, ready.d and shutdown.d.

    `say` takes lines for the log. A folder that does not exist has no scripts.
    """

    def __init__(self, folder: Path | None, say: Callable[[str], None]) -> None:
        self._say = say
        self._completed = dict.fromkeys(STAGES, False)
        self.scripts = [
            Script(stage, str(path.relative_to(folder / f"{stage.lower()}.d")), path)
            for stage in STAGES
            if folder is not None
            for path in _scripts(folder / f"{stage.lower()}.d")
        ]

    def state(self, stage: str | None = None) -> dict[str, Any] | None:
        """What is shown of all stages, or of one; None for a stage that there is not."""
        if stage is not None and stage not in STAGES:
            return None
        shown = [
            {"stage": script.stage, "name": script.name, "state": script.state}
            for script in self.scripts
            if stage in (None, script.stage)
        ]
        return {"completed": self._completed[stage] if stage else dict(self._completed), "scripts": shown}

    async def run(self, stage: str, environment: Mapping[str, str]) -> None:
        """Run a stage's scripts one after another, with these variables besides the process's own."""
        for script in self.scripts:
            if script.stage == stage:
                await self._run(script, environment)
        self._completed[stage] = True

    async def _run(self, script: Script, environment: Mapping[str, str]) -> None:
        script.state = "RUNNING"
        label = f"init {script.stage.lower()}.d/{script.name}"
        command = [sys.executable, str(script.path)] if script.path.suffix == ".py" else [str(script.path)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **environment},
            )
        except OSError as error:
            script.state = "ERROR"
            self._say(
                f"{label}: cannot be run: {error.strerror}. A shell script must be executable, and begin with #!."
            )
            return
        assert process.stdout is not None
        copying = asyncio.create_task(self._copy(label, process.stdout))
        try:
            code = await process.wait()
            await asyncio.wait([copying], timeout=_LAST_WORDS)
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        finally:
            copying.cancel()
        script.state = "ERROR" if code else "SUCCESSFUL"
        if code:
            self._say(f"{label}: failed with exit code {code}.")

    async def _copy(self, label: str, stream: asyncio.StreamReader) -> None:
        while line := await _line(stream):
            self._say(f"{label}: {line.decode('utf-8', 'replace').rstrip()}")


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line, a too long one in pieces; b"" at the end."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.readexactly(error.consumed)


def _scripts(folder: Path) -> list[Path]:
    """The scripts of a folder by name, then those of the folders in it, depth first."""
    if not folder.is_dir():
        return []
    entries = sorted(folder.iterdir())
    found = [path for path in entries if path.suffix in (".sh", ".py") and path.is_file()]
    for inner in entries:
        if inner.is_dir():
            found += _scripts(inner)
    return found
