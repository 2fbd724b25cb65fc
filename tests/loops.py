"""Runs coroutines in tests, in a thread of its own, since the browser tests leave a running loop in the main one."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns. It sees only what is committed: its connection is another one, which ends with it."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, _alone(work)).result()


async def _alone(work: Coroutine[Any, Any, Result]) -> Result:
    async with ThreadSensitiveContext():
        try:
            return await work
        finally:
            await sync_to_async(connections.close_all)()
