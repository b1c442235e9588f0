"""The demo into a real Tryton: `python -m tests.tryton.demo`, with the options of `scanpost demo`.

Builds Tryton first if need be. What was booked there is forgotten at the end.
"""

import signal
import sys
import tempfile
from pathlib import Path

from scanpost.demo.__main__ import main as demo
from scanpost.demo.goods import DOCUMENTS
from tests.erp import tell
from tests.tryton.office import Office
from tests.tryton.server import DATABASE, Server, build, target

PLENTY = 100_000
"""Of each product in an order: more than a day of scanning."""


def main() -> int:
    """Run a Tryton with the demo's orders, and the demo until it is ended."""
    built = build(tell)
    with tempfile.TemporaryDirectory(prefix="tryton-") as name:
        folder = Path(name)
        server = Server(built, folder)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            server.start()
            office = Office(server)
            for document in DOCUMENTS:
                office.order(
                    document.removeprefix("PO:"),
                    widget=PLENTY,
                    serum=PLENTY,
                    coffee=PLENTY,
                    vaccine=PLENTY,
                )
            file = folder / "target.toml"
            # the demo's cards name orders by what the supplier calls them
            file.write_text(target(server, folder / "api-key") + 'order_by = "reference"\n')
            password = (built.folder / "password").read_text().strip()
            tell(f"tryton: {server.url}, database {DATABASE}, in {server.file}")
            tell(f"tryton: a Tryton client logs in there as admin, password: {password}")
            return demo(["--target", str(file), *sys.argv[1:]])
        except KeyboardInterrupt:
            return 130
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
