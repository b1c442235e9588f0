"""`scanpost sheet MAKER`: a page to print that says how to set up a scanner of a maker.

    $ scanpost sheet honeywell > honeywell.html

It has no programming barcodes: each model has its own, and a wrong one can set a scanner to
anything. It says what to look for, in the words of the maker's manuals, and how to see that it
worked.

Source, by maker: Honeywell Xenon 1900/1910 user's guide, chapters 3 and 6; Zebra DS9208 product
reference guide 72E-139635, chapter 4, and DS2208, chapter 7; Datalogic PowerScan D8330 manual,
p. 189, and Gryphon product reference guides, data format.
"""

import argparse
import html
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Maker:
    """What a maker's manuals call things; empty where they were not at hand."""

    name: str
    interface: str = ""
    aim: str = ""
    suffix: str = ""
    feedback: str = ""
    manual: str = "the manual of your model"


MAKERS = {
    "honeywell": Maker(
        "Honeywell",
        interface="<b>USB COM emulation</b> (terminal ID 130).",
        aim="Chapter <b>Data Editing</b>, <b>Prefix/Suffix</b>: add the prefix <b>AIM I.D.</b> for"
        " all symbologies.",
        suffix="The same chapter: there is no suffix by default; add the suffix <b>CR</b> for all"
        " symbologies.",
        feedback='<b>Host ACK</b> On, and <code>feedback = "honeywell_host_ack"</code>. With Host'
        " ACK on, a scanner that gets no answer stands still for 10 seconds.",
        manual="Xenon 1900/1910 User's Guide, or that of your model",
    ),
    "zebra": Maker(
        "Zebra, Symbol, Motorola",
        aim="Chapter of miscellaneous scanner parameters, <b>Transmit Code ID Character</b>: choose"
        " the AIM identifier, not the Symbol one.",
        suffix="The same chapter, <b>Prefix/Suffix Values</b>: a suffix of CR; and see that it is"
        " transmitted.",
        feedback="Where the manual has a chapter <b>SSI Interface</b>, SSI is better still: every"
        " code is acknowledged. Then the driver is <code>ssi</code>.",
        manual="Product Reference Guide of your model, such as DS9208 (72E-139635) or DS2208",
    ),
    "datalogic": Maker(
        "Datalogic",
        aim="Chapter <b>Data Format</b> or <b>Data Editing</b>, <b>Global AIM ID</b>: enable. A"
        " PowerScan D8330 takes the string <code>EB2</code> (p. 189).",
        suffix="The same chapter: a suffix or terminator of CR.",
        manual="Product Reference Guide of your model, such as Gryphon or PowerScan",
    ),
    "other": Maker("Other makers"),
}

_INTERFACE = (
    "A serial port over USB, called <b>USB COM</b>, <b>virtual COM port</b> or <b>CDC</b>; or"
    " <b>HID POS</b>. Not a keyboard: typed codes lose separators and depend on a layout."
)
_AIM = "Send the <b>AIM</b> symbology identifier (ISO/IEC 15424) in front of every code."
_SUFFIX = "<b>CR</b> behind every code. HID POS needs none."
_FEEDBACK = "If the scanner can wait for the computer's word before it beeps, ask your support."

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Set up a scanner: {name}</title>
<style>
body {{ font: 12pt/1.45 sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }}
li {{ margin: 0 0 .8rem; }} code {{ font: 11pt monospace; }} pre {{ white-space: pre-wrap; }}
@media print {{ body {{ margin: 0; }} }}
</style>
<h1>Set up a scanner: {name}</h1>
<p>Have {manual} at hand. The barcodes that set a scanner up are printed there, and belong to that
model only: this page has none.</p>
<ol>
<li>Begin with the maker's <b>factory defaults</b>, so that nothing is left of an earlier life.</li>
{steps}
<li>Plug it in again and look: <pre>scanpost detect</pre> It must be listed with a
<code>tty</code> or <code>hidraw</code> node, and the lines to write are printed there.</li>
<li>Stop the gateway, and scan any EAN code:
<pre>scanpost listen --driver lines --url '...'</pre>
Right is a line like <code>scan ]E04006381333931 gtin ...</code>. Without <code>]E0</code> the AIM
identifier is off; <code>noise ... a scan without its terminator</code> means that the suffix is
missing. For HID POS the driver is <code>hid_pos</code>.</li>
<li>Scan a GS1-128 or GS1 DataMatrix code of yours: lot and expiry must be shown, each by
itself.</li>
</ol>
</html>
"""


def page(maker: Maker) -> str:
    """Return the sheet as HTML."""
    steps = [
        ("How it is plugged in", _INTERFACE, maker.interface),
        ("What kind of code it was", _AIM, maker.aim),
        ("Where a code ends", _SUFFIX, maker.suffix),
        ("Whether it was stored", _FEEDBACK if not maker.feedback else "", maker.feedback),
    ]
    return _PAGE.format(
        name=html.escape(maker.name),
        manual=html.escape(maker.manual),
        steps="\n".join(f"<li><b>{title}.</b> {all_} {own}</li>" for title, all_, own in steps),
    )


def main(arguments: list[str]) -> int:
    """Print the sheet of a maker, and return 0."""
    parser = argparse.ArgumentParser(
        prog="scanpost sheet", description="Print a page that says how to set up a scanner."
    )
    parser.add_argument("maker", choices=sorted(MAKERS))
    print(page(MAKERS[parser.parse_args(arguments).maker]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
