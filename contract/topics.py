"""Every MQTT topic, built and parsed in one place.

At most 7 levels of `[a-z0-9-]`, so that cloud brokers take them unchanged.

>>> Topics("north", "dock-1").tx
'scanpost/v1/north/dock-1/tx'
>>> owner("scanpost/v1/north/dock-1/tx")
('north', 'dock-1')
"""

import re
from dataclasses import dataclass

ROOT = "scanpost/v1"
ALL_TRANSACTIONS = f"{ROOT}/+/+/tx"
ALL_ASKS = f"{ROOT}/+/+/ref/ask"
SHARED_TRANSACTIONS = f"$share/bridge/{ALL_TRANSACTIONS}"
SHARED_ASKS = f"$share/bridge/{ALL_ASKS}"

_OWNED = re.compile(r"scanpost/v1/(?P<site>[a-z0-9-]{1,32})/(?P<gateway>[a-z0-9-]{1,32})/.+")


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway (or bridge worker) at one site."""

    site: str
    gateway: str

    def __post_init__(self) -> None:
        if owner(f"{self._base}/x") != (self.site, self.gateway):
            raise ValueError(
                f"site {self.site!r} and gateway {self.gateway!r} must be 1 to 32 of a-z 0-9 -"
            )

    @property
    def _base(self) -> str:
        return f"{ROOT}/{self.site}/{self.gateway}"

    @property
    def tx(self) -> str:
        """Envelopes of transactions, gateway to bridge. QoS 1, not retained."""
        return f"{self._base}/tx"

    @property
    def ack(self) -> str:
        """The bridge's word on what is booked. QoS 1, retained."""
        return f"{self._base}/ack"

    @property
    def status(self) -> str:
        """Birth and last will. QoS 1, retained."""
        return f"{self._base}/status"

    @property
    def state(self) -> str:
        """Depth, age, watermark, clock, disk. QoS 1, retained, expires after 24 h."""
        return f"{self._base}/state"

    def device(self, device: str) -> str:
        """State of one device. QoS 1, retained."""
        return f"{self._base}/dev/{device}"

    def station(self, station: str) -> str:
        """Job, document and progress of one station. QoS 1, retained."""
        return f"{self._base}/station/{station}"

    def command(self, command: str) -> str:
        """A question or an order to the gateway. QoS 1, not retained."""
        return f"{self._base}/cmd/{command}"

    def response(self, cid: str) -> str:
        """What became of the command with this `cid`. QoS 1, not retained, expires after 60 s."""
        return f"{self._base}/rsp/{cid}"

    def alert(self, code: str) -> str:
        """One alert; emptied when it is over. QoS 1, retained."""
        return f"{self._base}/alert/{code}"

    @property
    def newest(self) -> str:
        """What the newest reference data is, bridge to gateway. QoS 1, retained."""
        return f"{self._base}/ref/newest"

    @property
    def ask(self) -> str:
        """A gateway asks for reference data. QoS 1, not retained."""
        return f"{self._base}/ref/ask"

    @property
    def page(self) -> str:
        """Reference data, bridge to gateway. QoS 1, not retained."""
        return f"{self._base}/ref/page"


def owner(topic: str) -> tuple[str, str] | None:
    """Return the (site, gateway) a topic belongs to, or None if it is not one of ours."""
    match = _OWNED.fullmatch(topic)
    return (match["site"], match["gateway"]) if match else None
