"""The `[target]` table for a webhook."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bridge.connectors.webhook.template import Form, Template
from bridge.http import HttpSettings
from contract.envelope import Reason

EventType = Literal[
    "receipt",
    "putaway",
    "pick",
    "pack",
    "shipment",
    "transfer",
    "count",
    "adjustment",
    "return",
    "assembly",
    "weighing",
    "reading",
    "reversal",
]
EVERY_TYPE: tuple[EventType, ...] = EventType.__args__  # type: ignore[attr-defined]

TemplateUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@$]+(/\S*)?$")]
"""A URL whose host is fixed: no transaction can send a message elsewhere."""
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Statuses = Annotated[str, StringConstraints(pattern=r"^([1-5]xx|[1-5][0-9][0-9])$")]
Path_ = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$", max_length=200)
]


class Rule(BaseModel):
    """What an answer means: the first rule that fits counts, before what is usual in HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Statuses
    """`2xx`, `409` ..."""
    contains: str | None = Field(default=None, min_length=1, max_length=200)
    """Text that must stand in the body."""
    field: Path_ | None = None
    """Place in a JSON body, such as `result.status`; `equals` is what must stand there."""
    equals: str | None = Field(default=None, max_length=200)
    """Text, as JSON writes what is no text: `true`, `7`."""
    means: Literal["posted", "refused", "later", "unknown"]
    code: Reason = "refused"
    """The reason, where it means refused."""

    @model_validator(mode="after")
    def _field_and_value(self) -> "Rule":
        if (self.field is None) != (self.equals is None):
            raise ValueError("field and equals go together")
        return self


class Config(BaseModel):
    """The `[target]` table for a webhook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["webhook"]
    url: TemplateUrl
    """Where to send to; a template after the host."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    secret_file: Path | None = None
    """File that holds the secret of the signature and nothing else; without it none is made."""
    token_file: Path | None = None
    """File that holds a token, sent as `Authorization: Bearer ...`."""
    types: tuple[EventType, ...] = EVERY_TYPE
    """Types that are sent; any other is refused, and shown."""
    encoding: Literal["json", "form", "xml", "text"] = "json"
    """What the body is, and so how values are written in it."""
    body: str | None = None
    """Template of the body; None is the whole transaction as JSON."""
    headers: Annotated[dict[HeaderName, str], Field(max_length=30)] = {}
    """More headers, by name; templates. No secrets: those come from files."""
    document: Path_ | None = None
    """Place of the receiver's own number in its JSON answer, such as `data.id`."""
    look_up: TemplateUrl | None = None
    """Asked by GET before a transaction that may be there is sent again: 200 is there, 404 is not.
    For receivers that do not know one `Idempotency-Key` from another."""
    rules: Annotated[tuple[Rule, ...], Field(max_length=50)] = ()
    http: HttpSettings = HttpSettings()

    @model_validator(mode="after")
    def _templates_can_be_read(self) -> "Config":
        if self.body is None and self.encoding != "json":
            raise ValueError("the whole transaction is JSON: another encoding needs a body")
        for name, text, form in self.templates():
            try:
                Template(text, form)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return self

    def templates(self) -> list[tuple[str, str, Form]]:
        """Return each template with the setting it stands in, and its kind of place."""
        found: list[tuple[str, str, Form]] = [("url", self.url, "url")]
        if self.look_up is not None:
            found.append(("look_up", self.look_up, "url"))
        if self.body is not None:
            found.append(("body", self.body, self.encoding))
        found += [(f"headers.{name}", text, "header") for name, text in self.headers.items()]
        return found

    def content_type(self) -> str:
        """Return the body's media type."""
        types: dict[str, Any] = {
            "json": "application/json",
            "form": "application/x-www-form-urlencoded",
            "xml": "application/xml; charset=utf-8",
            "text": "text/plain; charset=utf-8",
        }
        return str(types[self.encoding])
