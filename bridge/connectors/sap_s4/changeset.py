"""Several changes in one `$batch` with one changeset: all of them or none. Pure.

SAP answers 202 and says in the body what became of them: one answer for each change, or a single
one in place of all, for the first that failed.

Source: OData 2.0, "Batch Processing"; RFC 2046 5.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP

from bridge.http import Answer

BATCH, CHANGES = "batch_scanpost", "changeset_scanpost"
"""Boundaries. They cannot stand in what they bound: JSON on one line does not begin with dashes."""
MAX_PARTS = 500
"""Parts of an answer that are looked at; a delivery of 200 items makes some 200."""
_CRLF = "\r\n"


@dataclass(frozen=True, slots=True)
class Change:
    """One `PATCH` of an entity that may have changed meanwhile."""

    path: str
    """Of the entity, beneath the service."""
    body: str
    etag: str


def packed(changes: Sequence[Change]) -> str:
    """Return the body of a `$batch` request."""
    lines = [f"--{BATCH}", f"Content-Type: multipart/mixed; boundary={CHANGES}", ""]
    for number, change in enumerate(changes, start=1):
        lines += [
            f"--{CHANGES}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            f"Content-ID: {number}",
            "",
            f"PATCH {change.path} HTTP/1.1",
            "Content-Type: application/json",
            "Accept: application/json",
            f"If-Match: {change.etag}",
            f"Content-Length: {len(change.body.encode())}",
            "",
            change.body,
        ]
    return _CRLF.join([*lines, f"--{CHANGES}--", f"--{BATCH}--", ""])


def unpacked(answer: Answer) -> list[Answer] | None:
    """Return the answers inside the answer to a `$batch`; None where it is none."""
    kind = answer.headers.get("Content-Type") or ""
    if not kind.startswith("multipart/mixed"):
        return None
    head = f"Content-Type: {kind}{_CRLF}{_CRLF}".encode()
    whole = BytesParser(policy=HTTP.clone(max_line_length=None)).parsebytes(head + answer.body)
    found = []
    for place, part in enumerate(whole.walk()):
        if place > MAX_PARTS:
            return None
        if part.get_content_type() == "application/http":
            inner = _inner(part)
            if inner is None:
                return None
            found.append(inner)
    return found or None


def _inner(part: Message) -> Answer | None:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return None
    head, _, body = payload.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *rest = head.decode("latin-1").lstrip("\n").split("\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        return None
    headers = dict(line.split(": ", 1) for line in rest if ": " in line)
    return Answer(int(words[1]), body.strip(), headers)
