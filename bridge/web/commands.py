"""`scanpost bridge hash-password`: the lines that let a person into the admin page."""

import argparse
import getpass
import sys

from pydantic import ValidationError

from bridge.web.people import ROLES, User
from runtime.passwords import hashed

SHORTEST = 12
"""Characters of a password, at least: what somebody who has the file cannot try out in years."""
LONGEST = 256


def add_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `scanpost bridge`; it needs no configuration."""
    words = "print the lines of the users' file that let a person into the admin page"
    parser = actions.add_parser("hash-password", help=words, description=words)
    parser.add_argument("--name", required=True, help="of the person, as the audit trail has it")
    parser.add_argument("--role", choices=ROLES, default="viewer")
    parser.set_defaults(without_config=_hash_password)


def _hash_password(options: argparse.Namespace) -> int:
    password = _asked("Password: ")
    if not SHORTEST <= len(password) <= LONGEST:
        return _said(f"a password has {SHORTEST} to {LONGEST} characters")
    if sys.stdin.isatty() and password != _asked("again: "):
        return _said("they differ")
    try:
        user = User(name=options.name, role=options.role, password=hashed(password))
    except ValidationError:
        return _said("a name is made of letters, digits and @ . _ -, at most 64")
    sys.stdout.write(
        f'[[user]]\nname = "{user.name}"\nrole = "{user.role}"\npassword = "{user.password}"\n'
    )
    return 0


def _asked(words: str) -> str:
    """Return a line of the terminal without showing it, or of what is piped in."""
    if sys.stdin.isatty():
        return getpass.getpass(words)
    return sys.stdin.readline().rstrip("\r\n")


def _said(problem: str) -> int:
    sys.stderr.write(f"{problem}\n")
    return 1
