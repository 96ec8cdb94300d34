"""The background passes of a room: run when due, one bounded step at a time; each shows its last run and last error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from awning.kit.courier import service_facts
from awning.kit.room import Room
from awning.kit.service import Work


@dataclass(slots=True)
class PassState:
    """What an operator sees of a pass. Times in seconds since the epoch."""

    name: str
    last_run: float | None = None
    last_error: str | None = None
    steps: int = 0


class Passes:
    """Runs a room's `work`. `report` is called with a line where a pass fails; it is tried again at its next turn."""

    def __init__(self, room: Room, report: Callable[[str], None]) -> None:
        self.room = room
        self.states = [PassState(f"{room.name}.{work.name}") for work in room.service.work]
        self._report = report

    def tasks(self) -> list[asyncio.Task[None]]:
        """Start a task per pass; cancel them to stop."""
        pairs = zip(self.room.service.work, self.states, strict=True)
        return [asyncio.create_task(self._run(work, state), name=state.name) for work, state in pairs]

    async def _run(self, work: Work, state: PassState) -> None:
        while True:
            more = False
            try:
                more = bool(await self.room.write(self.room.call(service_facts(self.room.name)), work.run))
                state.last_error = None
            except Exception as error:
                state.last_error = f"{type(error).__name__}: {error}"
                self._report(f"pass {state.name}: {state.last_error}")
            state.last_run = self.room.clock.now()
            state.steps += 1
            await asyncio.sleep(0 if more else work.every)
