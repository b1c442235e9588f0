"""The `[target]` table for a lambda-erp."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from bridge.vouchers.settings import VoucherSettings


class Config(VoucherSettings):
    """The `[target]` table for a lambda-erp. The key is that of a user with the role manager."""

    connector: Literal["lambda_erp"]
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,12}-$")] = "SP-"
    """What the names of its vouchers begin with; the transaction's id follows. Never change it
    while anything is in line: what was booked under another name would not be found."""
