"""USB devices by what and where they are: ``usb://?path=1-1.4.2&vid=0c2e&pid=0b61&node=tty``.

The words before the options of the node are those of `drivers.kit.selectors`. However the kernel
has numbered the node this time, it is found, and never another one.
"""

import asyncio
from urllib.parse import SplitResult, quote

from drivers.kit import plugged
from drivers.kit.errors import StreamLost
from drivers.kit.selectors import STREAMS, Selector, choose, parse
from drivers.kit.streams import Stream, check, open_stream


def parts(url: SplitResult) -> tuple[Selector, str]:
    """Return what the device must be, and the options of its node as a query."""
    selector, options = parse(url)
    check(f"{STREAMS[selector.node]}:///dev/node?{options}")
    return selector, options


async def open_url(url: SplitResult) -> Stream:
    """Find and open the one device that `url` means."""
    selector, options = parts(url)
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
