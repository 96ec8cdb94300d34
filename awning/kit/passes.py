"""The background passes of a room: run when due, one bounded step at a time; each shows its last run and last error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from awning.kit.call import service_facts
from awning.kit.errors import RegionReset
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
_MOST_STEPS = 10_000
"""Steps of one pass at once; each is bounded itself."""


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

    def emptied(self) -> None:
        """The room has been emptied: look for the blobs that it had."""
        self._collected = False

    async def run_all(self) -> None:
        """Run each pass now, until it finds nothing more. Raises ValueError for one that fails."""
        for (step, _), state in zip(self._steps(), self.states, strict=True):
            try:
                for _ in range(_MOST_STEPS):
                    if not await step():
                        break
            except Exception as error:
                raise ValueError(f"The pass {state.name} failed: {type(error).__name__}: {error}") from error

    def tasks(self) -> list[asyncio.Task[None]]:
        """Start a task per pass; cancel them to stop."""
        pairs = zip(self._steps(), self.states, strict=True)
        return [asyncio.create_task(self._run(step, every, state), name=state.name) for (step, every), state in pairs]

    def _steps(self) -> list[tuple[Callable[[], Awaitable[bool]], float]]:
        service = self.room.service
        steps: list[tuple[Callable[[], Awaitable[bool]], float]] = [
            (partial(self._step, work), work.every) for work in service.work
        ]
        if service.keeps is not None:
            steps.append((self._sweep, _SWEEP_EVERY))
        return steps

    async def _run(self, step: Callable[[], Awaitable[bool]], every: float, state: PassState) -> None:
        while True:
            more = False
            try:
                more = await step()
                state.last_error = None
            except RegionReset:
                more = True
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
            self._collected = True
            try:
                await room.blobs.collect(lambda ids: keeps(room.call(service_facts(room.name)), ids))
            except BaseException:
                self._collected = False
                raise
        return await room.blobs.sweep(room.writer) > 0
