"""Any REST endpoint, by one signed message for each transaction: Zapier, n8n, Jitterbit, own code.

The body is the transaction as JSON, or a template of one's own (`template` has the language). Each
message carries the transaction's id as `Idempotency-Key` and `webhook-id`, the same however often
it is sent: a receiver does once what comes twice. One that cannot may offer a look-up instead. With
a secret each attempt is signed (`signature` has the headers and the replay window).

A 2xx answer means posted, unless a rule says otherwise; a catch hook of Zapier answers 200 before
anything was done with it, so there "posted" means "handed over".

Source: Standard Webhooks 1.0; the header `Idempotency-Key` as in the IETF draft of that name.
"""

from bridge.connector import Capabilities
from bridge.connectors.webhook.config import EVERY_TYPE, Config
from bridge.connectors.webhook.signature import is_genuine
from bridge.connectors.webhook.target import Message, calls, connect, document

CAPABILITIES = Capabilities(
    evidence="real",
    key="key",
    books=frozenset(EVERY_TYPE),
    limits=(
        "Once only where the receiver honours the key, or offers a look-up.",
        "What a receiver does after its answer nobody here can see.",
    ),
)

__all__ = [
    "CAPABILITIES",
    "Config",
    "Message",
    "calls",
    "connect",
    "document",
    "is_genuine",
]
