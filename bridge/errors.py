"""What can go wrong in the bridge, sorted by who acts. Each docstring is the message."""


class BridgeError(Exception):
    """Base of everything the bridge raises on purpose."""


class LedgerFailed(BridgeError):
    """The ledger's database did not do its part. Acknowledge nothing; wait, then try again."""


class LedgerUnusable(BridgeError):
    """The ledger cannot be used as it is; it was left untouched. Tell a person."""


class LedgerTooNew(LedgerUnusable):
    """The ledger was written by a newer version of this program. Upgrade the program."""


class LedgerTaken(LedgerUnusable):
    """Another bridge works on this ledger. There is one writer; stop the other one."""


class LedgerRaced(LedgerFailed):
    """Another bridge wrote the same rows at the same moment. The same again will do."""


class LeaseLost(LedgerFailed):
    """Another bridge delivers to the target now. Wait: it stops, or it does the work."""


class DecisionsChanged(BridgeError):
    """A person has decided something since the caller looked. Look again, then go on."""


class ConnectorUnknown(BridgeError, ValueError):
    """There is no connector of this name, or it misses a part. Tell a person."""


class ConfigError(BridgeError):
    """The configuration cannot be used. The text has one line for each problem."""


class SourceFailed(BridgeError):
    """Items, documents or stock could not be read from the ERP; the same again may work."""


class NotDone(BridgeError):
    """What a person asked for was not done, and nothing was changed. The text says why."""
