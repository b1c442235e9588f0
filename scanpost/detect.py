"""`scanpost detect`: what is plugged into USB, which driver may fit, and what to write where.

Looking speaks to nothing. Only `--probe URL` does: it asks one serial port, with the questions of
the drivers, which scale is behind it.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drivers.kit import plugged
from drivers.kit.errors import DeviceError
from drivers.kit.plugged import Node
from drivers.kit.selectors import Selector, useless
from scanpost import probing
from scanpost.fits import Fit, fits, rules


def main(arguments: list[str]) -> int:
    """Show what there is.

    Returns:
        0; 1 where nothing was found, or nothing understood.
    """
    parser = argparse.ArgumentParser(
        prog="scanpost detect",
        description="Show what is plugged into USB, and which driver may fit.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for each node")
    parser.add_argument(
        "--probe",
        metavar="URL",
        help="ask the serial port at URL which scale is there, for two minutes at most",
    )
    options = parser.parse_args(arguments)
    if options.probe:
        return _probe(options.probe, as_json=options.json)
    nodes = plugged.look()
    if options.json:
        for node in nodes:
            print(json.dumps(_plain(node, nodes)))
    else:
        print("\n".join(report(nodes)))
    return 0 if nodes else 1


def report(nodes: tuple[Node, ...]) -> list[str]:
    """Return what a person should know of `nodes`, line by line."""
    if not nodes:
        return [
            "Nothing is plugged into USB that a driver could open.",
            "A device on a serial port of the board: serial:///dev/ttyS0 or serial:///dev/ttyAMA0.",
        ]
    lines: list[str] = []
    best: list[tuple[Node, Fit]] = []
    for (_, path), group in itertools.groupby(nodes, key=lambda node: (node.host, node.path)):
        device = tuple(group)
        lines += [f"{path}  {_named(device[0])}", *_notes(device, nodes)]
        found = [(node, fit) for node in device for fit in fits(node)]
        lines += [f"    {node.node}: {fit.driver}, {fit.why}" for node, fit in found]
        if not found:
            lines.append("    nothing for a scanner or a scale")
        best += [_best(found)] if found else []
        lines.append("")
    return [*lines, *_tables(best, nodes), *_rules(best)]


def _named(node: Node) -> str:
    serial = f", serial number {node.serial}" if node.serial else ", no serial number"
    return f"{node.vid}:{node.pid} {' '.join(filter(None, (node.maker, node.name)))}{serial}"


def _notes(device: tuple[Node, ...], nodes: Iterable[Node]) -> Iterator[str]:
    if device[0].serial and (why := useless(device[0].serial, nodes)):
        yield f"    its serial number tells it from no other: {why}"
    for node in device:
        if Path(node.node).exists() and not os.access(node.node, os.R_OK | os.W_OK):
            yield f"    {node.node}: this user may not open it"


_RANK = {"hid_pos": 0, "usb_hid": 0, "ssi": 2, "wedge": 3}


def _best(found: list[tuple[Node, Fit]]) -> tuple[Node, Fit]:
    return min(found, key=lambda each: (not each[1].sure, _RANK.get(each[1].driver, 1)))


def selector(node: Node, nodes: Iterable[Node]) -> Selector:
    """Return the selector to write down for `node`: its socket, and what must be in it."""
    nodes = tuple(nodes)
    several = len({each.host for each in nodes}) > 1
    short = Selector(
        node.kind,
        path=node.ports if several else node.path,
        host=node.host if several else None,
        vid=node.vid,
        pid=node.pid,
    )
    if sum(map(short.fits, nodes)) == 1:
        return short
    return Selector(
        node.kind,
        path=node.path,
        host=node.host,
        vid=node.vid,
        pid=node.pid,
        interface=node.interface,
        port=node.port,
    )


def _tables(best: list[tuple[Node, Fit]], nodes: tuple[Node, ...]) -> Iterator[str]:
    yield "# For /etc/scanpost/gateway.toml; take what is a scanner or a scale of the station."
    numbers: dict[str, int] = {}
    for node, fit in best:
        kind = "scale" if fit.driver in {"usb_hid", "mt_sics"} else "scanner"
        numbers[kind] = numbers.get(kind, 0) + 1
        off = "" if fit.sure else "#"
        yield f"\n# {_named(node)}: {fit.why}"
        yield f"{off}[[station.device]]"
        yield f'{off}id = "{kind}-{numbers[kind]}"'
        yield f'{off}url = "{selector(node, nodes)}"'
        yield f'{off}driver = "{fit.driver}"'


def _rules(best: list[tuple[Node, Fit]]) -> Iterator[str]:
    if best:
        yield "\n# For /etc/udev/rules.d/61-scanpost-devices.rules, where it is denied them; then"
        yield "# `sudo udevadm control --reload && sudo udevadm trigger`."
        yield from rules(node for node, fit in best if fit.sure)


def _plain(node: Node, nodes: tuple[Node, ...]) -> dict[str, Any]:
    plain = asdict(node)
    plain["descriptor"] = node.descriptor.hex()
    plain["url"] = str(selector(node, nodes))
    plain["serial_useless"] = useless(node.serial, nodes)
    plain["fits"] = [asdict(fit) for fit in fits(node)]
    return plain


def _probe(url: str, *, as_json: bool) -> int:
    try:
        found = asyncio.run(probing.probe(url))
    except DeviceError as error:
        print(f"scanpost detect: {error}", file=sys.stderr)
        return 1
    if as_json:
        for each in found:
            print(json.dumps(asdict(each)))
        return 0 if found else 1
    if not found:
        print("no driver understood anything; is it a scale, switched on, with the right cable?")
        return 1
    for each in found:
        how = "when asked" if each.asked else "unasked"
        print(f"{each.driver}: {each.weights} weights {how}, {each.noise} times noise")
    first = found[0]
    print(f'\n[[station.device]]\nid = "scale-1"\nurl = "{probing.address(url, first.line)}"')
    print(f'driver = "{first.driver}"')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
