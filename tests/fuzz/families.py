"""Every parser that reads what others wrote, each with what is thrown at it."""

from collections.abc import Callable

from contract.envelope import Ack
from contract.reference import Ask, Newest, Page
from drivers.kit import registry
from tests.fuzz import labels, wires
from tests.fuzz.files import File, captures
from tests.fuzz.messages import envelopes, topics, word
from tests.fuzz.wires import Try, Wire

FAMILIES: dict[str, Callable[[], Try]] = {
    **{
        f"{kind}/{name}": lambda name=name: Wire(name)  # type: ignore[misc]
        for kind in registry.KINDS
        for name in registry.names()[kind]
    },
    "hid/descriptors": lambda: wires.descriptors,
    "keymaps": lambda: wires.keys,
    **{
        f"identifiers/{name}": lambda name=name: labels.label(name)  # type: ignore[misc]
        for name in labels.FAMILIES
    },
    "messages/envelope": lambda: envelopes,
    "messages/ack": lambda: word(Ack),
    "messages/newest": lambda: word(Newest),
    "messages/ask": lambda: word(Ask),
    "messages/page": lambda: word(Page),
    "messages/topics": lambda: topics,
    "files/gateway": lambda: File("gateway"),
    "files/bridge": lambda: File("bridge"),
    "files/captures": lambda: captures,
}
"""Name to what makes a fresh trier."""
