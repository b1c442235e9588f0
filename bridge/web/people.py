"""Who may use the admin page, as what: the users' file, and what makes it a good one."""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator

from bridge.errors import ConfigError
from runtime.passwords import Held

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Each may do what those before it may. A viewer reads; an operator decides of entries; an admin
decides of modes, streams, and what was booked already."""
MOST_USERS = 200
"""An office; who has more has a directory, and puts a proxy that knows it before this page."""

MOST_OCTETS = 128 * 1024
"""Of the file: as many users, each with a name and a key of the longest kind, and remarks."""

_OTHERS = stat.S_IRWXO | stat.S_IWGRP


class User(BaseModel):
    """One `[[user]]` of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9@._-]{0,63}$")]
    """It stands in the audit trail with what this person decides."""
    role: Role
    password: str
    """What `scanpost bridge hash-password` printed."""

    @field_validator("password")
    @classmethod
    def _is_hashed(cls, text: str) -> str:
        try:
            Held.parse(text)
        except ValueError as error:
            raise ValueError(f"{error}; write it with: scanpost bridge hash-password") from error
        return text


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    user: tuple[User, ...] = ()


def may(role: Role, needed: Role) -> bool:
    """Return whether `role` is enough where `needed` is."""
    return ROLES.index(role) >= ROLES.index(needed)


@dataclass(frozen=True, slots=True)
class Written:
    """A users' file as it stands."""

    mode: int
    """Of the file system."""
    octets: bytes


def load(path: Path) -> Mapping[str, User]:
    """Read the users' file.

    Returns:
        Users by their names in lower case: two names that differ in case only are one.

    Raises:
        ConfigError: it cannot be read, it is open to others, or what it says is wrong; what is in
            it is not shown.
    """
    try:
        return made(path.name, read(path))
    except OSError as error:
        raise ConfigError(f"{path.name}: {error}") from error


def read(path: Path) -> Written:
    """Return what stands in the file, with one byte more than it may have where it is too long.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return Written(os.fstat(file.fileno()).st_mode, file.read(MOST_OCTETS + 1))


def made(name: str, written: Written) -> Mapping[str, User]:
    """Return the users of a file that was read.

    Raises:
        ConfigError: it is open to others, or what it says is wrong.
    """
    if written.mode & _OTHERS:
        raise ConfigError(f"{name}: others may read or write it: chmod 0600")
    if len(written.octets) > MOST_OCTETS:
        raise ConfigError(f"{name}: more than {MOST_OCTETS} bytes")
    try:
        users = _File.model_validate(tomllib.loads(written.octets.decode("utf-8"))).user
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{name}: {_reason(error)}") from error
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(name, error))) from error
    found = {user.name.lower(): user for user in users}
    if len(found) < len(users):
        raise ConfigError(f"{name}: a name stands there twice")
    if len(found) > MOST_USERS:
        raise ConfigError(f"{name}: more than {MOST_USERS} users")
    return found


def _reason(error: UnicodeDecodeError | tomllib.TOMLDecodeError) -> str:
    return "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _lines(name: str, error: ValidationError) -> list[str]:
    return [
        f"{name}: {'.'.join(str(part) for part in problem['loc'])}:"
        f" {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
