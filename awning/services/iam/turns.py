"""Giving other requests their turn between the slices of a long reading."""

from __future__ import annotations

import asyncio


async def next_turn() -> None:
    """Come back when the loop has done what is waiting."""
    loop = asyncio.get_running_loop()
    turn = loop.create_future()
    loop.call_soon(turn.set_result, None)
    await turn
