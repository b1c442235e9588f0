"""What can go wrong in the gateway, sorted by who acts. Each docstring is the message."""


class GatewayError(Exception):
    """Base of everything the gateway raises on purpose."""


class ConfigError(GatewayError, ValueError):
    """The configuration is wrong. Nothing was opened; tell a person which line."""


class StoreFull(GatewayError):
    """There is no room to store. Nothing of this group is on disk; the next may succeed."""


class StoreSlow(StoreFull):
    """The disk does not answer. What waits for it is taken back when it does; try again then."""


class StoreFailed(GatewayError):
    """The outbox cannot be trusted. Nobody catches this: exit, and let systemd restart us."""


class StoreDamaged(StoreFailed):
    """What the disk gave back is not what was stored. The next start saves what can be read."""


class StoreSuperseded(StoreFailed):
    """The stream went on elsewhere: this store is a copy. The next start begins a new stream."""
