"""A node has the bills that were put in before anybody asks for one of them.

Their files lie in the log's database, and whoever takes over tells of none before it
has them. So a thread of its own brings them in as their rows are followed.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from server.node import Node

LOOK_S: Final = 1.0
"""Between two looks for new rows of files."""
RETRY_S: Final = 10.0
"""Before a file is asked for again that could not be had."""


class Fetching:
    """Brings files in until it is cancelled."""

    def __init__(self, node: Node) -> None:
        """Of a node of a cluster."""
        self._node = node
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bills")

    async def run(self) -> None:
        """Bring in what comes."""
        catch_up = self._node.put_in.catch_up
        while True:
            has_all = await self._node.loop.run_in_executor(self._thread, catch_up)
            await asyncio.sleep(LOOK_S if has_all else RETRY_S)

    def close(self) -> None:
        """End the thread; a file that is under way is brought in before."""
        self._node.put_in.end()
        self._thread.shutdown(wait=True, cancel_futures=True)
