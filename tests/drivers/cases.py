"""What every driver is tried with: settings worth trying, and frames that it understands."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from drivers.kit import hid, registry
from drivers.kit.readings import Decoder, Dialogue, Scan, Step, Weight
from drivers.scanners.wedge import ENTER
from drivers.simulators.wedge import WedgeSimulator
from tests.drivers.conversation import dialogue
from tests.drivers.records import records

Setting = dict[str, object]
Said = tuple[object, ...]
"""All that a weight or a scan says, but for the bytes it came in."""

ENDS = ("cr", "lf", "crlf", "tab", "etx", "none")

SETTINGS: dict[str, list[Setting]] = {
    "adam": [
        {"named": True},
        {"named": False},
        {"dialect": "azextra"},
        {"dialect": "highland"},
        {"dialect": "pgl"},
    ],
    "cas": [{}, {"form": "bare", "unit": "kg"}, {"device": 1}],
    "dialog_06": [{}, {"bits": 8, "tare": 250}],
    "dini_argeo": [{}, {"address": 1, "asked": "REXT"}],
    "epelsa": [{}, {"mode": "auto"}],
    "fairbanks": [{}, {"dialect": "worldship"}, {"dialect": "fbputr"}],
    "generic_line": [
        {
            "patterns": [
                r"(?:(?P<stable>W)|(?P<moving>w)):(?P<value>[ +-]*[0-9]+\.[0-9]+) (?P<unit>kg|g)",
                r"(?P<over>OL)|(?P<error>E[0-9]{2})",
            ]
        },
    ],
    "massa_k": [{}, {"protocol": "2"}],
    "radwag": [{}, {"asked": "never"}],
    "rice_lake": [{}, {"dialect": "cardinal"}, {"dialect": "weigh_tronix"}],
    "st_gs": [{}, {"asked": "letters", "unit": "kg"}],
    "yaohua": [{}, {"form": "a26"}, {"form": "forward"}, {"form": "reversed"}],
    "mt_sics": [{}, {"mode": "SNR", "unit": "kg"}],
    "toledo_8217": [
        {},
        {"bits": 8, "unit": "lb", "decimals": 2},
        {"profile": "magellan", "probe": True},
    ],
    "toledo_continuous": [{}, {"end": "lf"}],
    "nci": [{}, {"sense": "low"}, {"bits": 8, "unit": "lb"}],
    "sma": [{}, {"command": "R", "bits": 7, "unit": "kg"}],
    "and_": [{}, {"mode": "unasked", "bits": 8, "unit": "g"}],
    "ohaus": [{}, {"mode": "CP", "bits": 7}],
    "sartorius_sbi": [{}, {"length": 16}],
    "kern": [{}, {"ask": "", "unit": "kg", "bits": 7}],
    "lines": [
        {},
        {"prefix": "A", "suffix": "Z", "aim": "required", "no_read": "NR"},
        {"feedback": "honeywell_host_ack"},
        *[Setting(terminator=end) for end in ENDS],
    ],
    "wedge": [
        {},
        {"terminator": "enter", "layout": "fr"},
        {"terminator": "none", "function_keys": {"F8": "\x1d"}},
        {"layout": "de", "substitutes": {"{GS}": "\x1d"}, "oem_page": "cp850"},
    ],
    "usb_hid": [{}, {"profile": "stamps_com", "stale": 0}],
    "hid_pos": [{}, {"profile": "honeywell", "aim": "required"}],
    "ssi": [{}, {"aim": "never", "suffix": "7"}],
}
"""Worth trying besides the defaults; a driver that is not here is tried with its defaults."""

OWN = [name for kind in registry.KINDS for name in registry.names()[kind]]


def _settings(name: str) -> list[Setting]:
    """What is listed above, and what the driver's own records were made with."""
    found = [*SETTINGS.get(name, [{}])]
    for record in [] if name in EVENTS else records(name):
        setting = record.get("settings", found[0])
        found += [] if setting in found else [setting]
    return found


HELD = 40_000
"""Bytes a decoder may hold, pickled: its settings, a layout, and one scan of `MAX_SCAN`."""
EVENTS = {"wedge"}
"""Drivers whose records are key events instead of bytes."""
CASES = [(name, setting) for name in OWN for setting in _settings(name)]
SCALES = [(name, setting) for name, setting in CASES if name in registry.names()["scales"]]


def frames(name: str, setting: Setting) -> list[bytes]:
    """Frames `name` understands: those recorded for just this setting, or those for any."""
    if name in EVENTS:
        scanner = WedgeSimulator(layout=str(setting.get("layout", "us")))
        end = None if setting.get("terminator") == "none" else ENTER
        return [
            scanner.events("]E04006381333931", end=end),
            scanner.events("LOC:A-01", end=end),
            scanner.events("a\x1dB", end=None),
        ]
    every = records(name)
    own = [record for record in every if "settings" in record and record["settings"] == setting]
    fitting = own or [record for record in every if "settings" not in record]
    return [bytes.fromhex(record["hex"]) for record in fitting]


@dataclass(frozen=True, slots=True)
class Carried:
    """One frame as its wire brings it, and what it says."""

    wire: bytes
    says: list[Said]
    pause: bool
    """Whether only silence ends it, so that no other may follow at once."""


def carried(name: str, setting: Setting) -> list[Carried]:
    """The frames that say a weight or a scan.

    A report of a HID device travels in a frame of its own.
    """
    reports = hasattr(registry.load(name), "hid")
    found = []
    for frame in frames(name, setting):
        bare = reports and frame[:2] not in {hid.DESCRIPTOR, hid.REPORT}
        wire = hid.frame(hid.REPORT, frame) if bare else frame + CONFIRMED.get(name, b"")
        decoder = awake(name, setting).decoder
        says = told(decoder.feed(wire))
        rest = decoder.quiet()
        if (says or told(rest)) and not (says and rest):
            found.append(Carried(wire, says or told(rest), pause=not says))
    return found


CONFIRMED = {"epos_berkel": b"\r"}
"""What the device says behind a frame when the host has answered it."""


def wakened(name: str, setting: Setting) -> Setting:
    """`setting`, with nothing of before any more."""
    stale = {"stale": 0} if "stale" in registry.load(name).Config.model_fields else {}
    return {**setting, **stale}


def awake(name: str, setting: Setting) -> Dialogue:
    """A dialogue of `name` in which nothing is of before any more."""
    return dialogue(name, **wakened(name, setting))


def news(name: str, setting: Setting, pieces: Sequence[bytes]) -> list[Said]:
    """What the weights and scans in `pieces` and the quiet after them say."""
    return told(said(awake(name, setting).decoder, pieces))


def told(steps: Sequence[Step]) -> list[Said]:
    """What the weights and scans among `steps` say."""
    return [
        (step.value, step.unit, step.stable, step.measure, step.range, step.zero)
        if isinstance(step, Weight)
        else (step.data, step.symbology)
        for step in steps
        if isinstance(step, Weight | Scan)
    ]


def said(decoder: Decoder, pieces: Sequence[bytes]) -> list[Step]:
    """Everything `decoder` says to `pieces` and the quiet after them."""
    return [step for piece in pieces for step in decoder.feed(piece)] + decoder.quiet()


def weighed(name: str, setting: Setting, stream: bytes) -> list[Decimal]:
    """Every value a fresh decoder of `name` finds in `stream`."""
    steps = said(dialogue(name, **setting).decoder, [stream])
    return [step.value for step in steps if isinstance(step, Weight) and step.value is not None]
