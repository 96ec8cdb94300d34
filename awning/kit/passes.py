"""The background passes of a room: run when due, one bounded step at a time; each shows its last run and last error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from awning.kit.call import service_facts
from awning.kit.room import Room
from awning.kit.service import Work


@dataclass(slots=True)
class PassState:
    """What an operator sees of a pass. Times in seconds since the epoch."""

    name: str
    last_run: float | None = None
    last_error: str | None = None
    steps: int = 0


_SWEEP_EVERY = 1.0


class Passes:
    """Runs a room's `work`, and removes the blobs that nothing refers to.

    `report` is called with a line where a pass fails, once for the same error; it is tried again at its next turn.
    """

    def __init__(self, room: Room, report: Callable[[str], None]) -> None:
        self.room = room
        self.states = [PassState(f"{room.name}.{work.name}") for work in room.service.work]
        if room.service.keeps is not None:
            self.states.append(PassState(f"{room.name}.sweep_blobs"))
        self._report = report
        self._collected = False

    def tasks(self) -> list[asyncio.Task[None]]:
        """Start a task per pass; cancel them to stop."""
        room = self.room
        steps: list[tuple[Callable[[], Awaitable[bool]], float]] = [
            (partial(self._step, work), work.every) for work in room.service.work
        ]
        if room.service.keeps is not None:
            steps.append((self._sweep, _SWEEP_EVERY))
        pairs = zip(steps, self.states, strict=True)
        return [asyncio.create_task(self._run(step, every, state), name=state.name) for (step, every), state in pairs]

    async def _run(self, step: Callable[[], Awaitable[bool]], every: float, state: PassState) -> None:
        while True:
            more = False
            try:
                more = await step()
                state.last_error = None
            except Exception as error:
                said, state.last_error = state.last_error, f"{type(error).__name__}: {error}"
                if state.last_error != said:
                    self._report(f"pass {state.name}: {state.last_error}")
            state.last_run = self.room.clock.now()
            state.steps += 1
            await asyncio.sleep(0 if more else every)

    async def _step(self, work: Work) -> bool:
        return bool(await self.room.write(self.room.call(service_facts(self.room.name)), work.run))

    async def _sweep(self) -> bool:
        room, keeps = self.room, self.room.service.keeps
        assert keeps is not None
        if not self._collected:
            await room.blobs.collect(lambda ids: keeps(room.call(service_facts(room.name)), ids))
            self._collected = True
        return await room.blobs.sweep(room.writer) > 0
