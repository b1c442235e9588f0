"""The embedded broker as a process of its own: `python -m scanpost.demo.embedded_broker FILE`."""

import signal
import sys

from iotcore import Broker


def main() -> int:
    """Serve until SIGTERM."""
    with Broker(config_path=sys.argv[1]):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main())
