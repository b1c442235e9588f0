"""Operators with clumsy hands: now and then the scanner's cable comes out in mid-scan."""

import asyncio
import random

from scanpost.demo.operator import Offer, Operator

_OUT = 0.2  # seconds the cable is out


class ClumsyOperator(Operator):
    """Pulls a cable while the label is on its way, puts it back, and scans again."""

    torn = 0
    """Scans that were cut off in mid-frame."""
    share = 0.02

    async def scan(self, dice: random.Random) -> Offer:
        """Scan one item; before it, maybe half of one that never counts."""
        if dice.random() < self.share:
            self.torn += 1
            text = f"]C1010400638133393121TORN{self.station.upper()}{self.torn:04}"
            await self.scanner.cut(text, after=dice.randrange(4, len(text)))
            self.scanner.unplug()
            await asyncio.sleep(_OUT)
            self.scanner.replug()
        return await super().scan(dice)
