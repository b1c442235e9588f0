"""Which driver may fit what is plugged in, and why.

Source: usb.ids of the Linux USB project for the makers; HID Usage Tables 1.5 for the usage pages.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from drivers.kit import hid
from drivers.kit.plugged import Node

SCANNER_MAKERS = {
    "05e0": "Zebra, Symbol, Motorola",
    "0c2e": "Honeywell, Metrologic",
    "0536": "Honeywell, Hand Held Products",
    "05f9": "Datalogic, PSC",
    "1eab": "Newland",
    "065a": "Opticon",
}
SCALE_MAKERS = {"0eb8": "Mettler-Toledo"}
ADAPTERS = {
    "0403": "FTDI",
    "067b": "Prolific",
    "1a86": "WCH CH340",
    "10c4": "Silicon Labs CP210x",
    "110a": "Moxa",
}

_SCANNERS, _SCALES = 0x8C, 0x8D


@dataclass(frozen=True, slots=True)
class Fit:
    """A driver that may speak with a node."""

    driver: str
    why: str
    sure: bool = True
    """Whether what is plugged in says so; else a person must know what it is."""


def fits(node: Node) -> tuple[Fit, ...]:
    """Return the drivers for `node`, the best first; none where it is nothing for this house."""
    match node.kind:
        case "hidraw":
            return _hidraw(node)
        case "tty":
            return _tty(node)
        case "input":
            return _input(node)


def _hidraw(node: Node) -> tuple[Fit, ...]:
    pages = {usage >> 16 for field in hid.walk(node.descriptor) for usage in field.usages}
    if _SCANNERS in pages:
        return (Fit("hid_pos", "its reports are those of a barcode scanner (HID usage page 8C)"),)
    if _SCALES in pages:
        return (Fit("usb_hid", "its reports are those of a scale (HID usage page 8D)"),)
    return ()


def _tty(node: Node) -> tuple[Fit, ...]:
    if maker := SCANNER_MAKERS.get(node.vid):
        lines = Fit("lines", f"a serial port of a scanner's maker ({maker})")
        ssi = Fit("ssi", "if the scanner is set to SSI", sure=False)
        return (lines, ssi) if node.vid == "05e0" else (lines,)
    if maker := SCALE_MAKERS.get(node.vid):
        return (Fit("mt_sics", f"a serial port of a scale's maker ({maker})", sure=False),)
    if maker := ADAPTERS.get(node.vid):
        why = f"a serial adapter ({maker}); what is behind it, --probe may tell"
        return (Fit("lines", why, sure=False),)
    return (Fit("lines", "a serial port of a maker nobody here knows", sure=False),)


def _input(node: Node) -> tuple[Fit, ...]:
    if not node.types:
        return ()
    if maker := SCANNER_MAKERS.get(node.vid):
        why = f"a keyboard of a scanner's maker ({maker}); as serial or HID POS it loses less"
        return (Fit("wedge", why),)
    if "scan" in node.name.lower() or "barcode" in node.name.lower():
        return (Fit("wedge", "a keyboard that calls itself a scanner"),)
    return (Fit("wedge", "a keyboard: maybe a scanner, maybe people type on it", sure=False),)


def rules(nodes: Iterable[Node]) -> list[str]:
    """Return the udev rules that give these nodes, and nothing else, to the daemon's group."""
    found: dict[str, None] = {}
    for node in nodes:
        match = f'ATTRS{{idVendor}}=="{node.vid}", ATTRS{{idProduct}}=="{node.pid}"'
        give = 'GROUP="scanpost", MODE="0660"'
        kernel, more = {
            "tty": ('SUBSYSTEM=="tty"', ', ENV{ID_MM_DEVICE_IGNORE}="1"'),
            "input": (
                'SUBSYSTEM=="input", KERNEL=="event*"',
                ', ENV{LIBINPUT_IGNORE_DEVICE}="1"',
            ),
            "hidraw": ('SUBSYSTEM=="hidraw"', ""),
        }[node.kind]
        found[f"{kernel}, {match}, {give}{more}"] = None
    return list(found)
