"""Waiting for Postgres, which is a moment behind the core."""

import asyncio

from gateway.errors import history_unavailable

CATCH_UP_SECONDS, POLL_SECONDS = 3.0, 0.02


async def stored_up_to(core, history, event_seq):
    """Wait a little until Postgres has this event. Raises ApiError 503."""
    deadline = asyncio.get_running_loop().time() + CATCH_UP_SECONDS
    recent = core.recent
    while recent.stored_seq < event_seq:
        position = await history.position()
        if position is not None:
            recent.stored_seq = max(recent.stored_seq, position.event_seq)
        if recent.stored_seq < event_seq:
            if asyncio.get_running_loop().time() > deadline:
                raise history_unavailable("the database is behind")
            await asyncio.sleep(POLL_SECONDS)
