"""USB devices by what and where they are: ``usb://?path=1-1.4.2&vid=0c2e&pid=0b61&node=tty``.

The words before the options of the node are those of `drivers.kit.selectors`. However the kernel
has numbered the node this time, it is found, and never another one.
"""

import asyncio
from urllib.parse import SplitResult, quote

from drivers.kit import plugged
from drivers.kit.errors import StreamLost
from drivers.kit.selectors import STREAMS, choose, parse
from drivers.kit.streams import Stream, open_stream


async def open_url(url: SplitResult) -> Stream:
    """Find and open the one device that `url` means."""
    selector, options = parse(url)
    loop = asyncio.get_running_loop()
    node = choose(selector, await loop.run_in_executor(None, plugged.look))
    stream = await open_stream(f"{STREAMS[node.kind]}://{quote(node.node)}?{options}")
    try:
        # What was opened by a number may be another device by now.
        if choose(selector, await loop.run_in_executor(None, plugged.look)) != node:
            raise StreamLost(f"{node} was plugged in anew while it was opened")
    except BaseException:
        await stream.close()
        raise
    return stream
