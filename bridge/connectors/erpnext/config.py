"""The `[target]` table for an ERPNext site."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from bridge.vouchers.settings import VoucherSettings

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,60}$")]


class Config(VoucherSettings):
    """The `[target]` table for an ERPNext site. `api_key_file` holds `api_key:api_secret`."""

    lots: ClassVar[bool] = True

    connector: Literal["erpnext"]
    id_field: FieldName = "custom_scanpost_id"
    """Custom field of type Data, *unique* and *no copy*, of the four vouchers; it holds the
    transaction's id, and makes twice once."""
    mark_field: FieldName = "custom_scanpost_mark"
    """Custom field of type Data, *no copy*, of the same, for what the voucher was drafted from."""
