"""A nursery for tasks that serve a block and end with it, without wrapping the block's own errors in groups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def background_tasks() -> AsyncIterator[trio.Nursery]:
    """A nursery that is cancelled when the block ends; an error of the block leaves bare.

    An error of a background task cancels the block and leaves inside an ``ExceptionGroup``, as of any nursery.
    """
    error: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except (Exception, KeyboardInterrupt, SystemExit) as caught:
            error = caught
        nursery.cancel_scope.cancel()
    if error is not None:
        raise error
