"""What is wrong with tables: all of it at once, each with its file and line."""

from dataclasses import dataclass, field

MOST = 50
"""Problems kept: who reads them mends a column at a time, and the rest is counted."""
LONGEST = 500
"""Characters of one: it may quote what somebody copied there by mistake."""


@dataclass(slots=True)
class Problems:
    """Filled while files are read; true where there is one."""

    found: list[str] = field(default_factory=list)
    more: int = 0
    """Those beyond `MOST`."""

    def add(self, file: str, line: int | None, text: str) -> None:
        """Add one sentence that says what is wrong and what to do."""
        text = "".join(each if each.isprintable() else "\ufffd" for each in text[:LONGEST])
        if len(self.found) < MOST:
            self.found.append(f"{file}: {text}" if line is None else f"{file}:{line}: {text}")
        else:
            self.more += 1

    def __bool__(self) -> bool:
        return bool(self.found)

    def __str__(self) -> str:
        more = [f"and {self.more} more"] if self.more else []
        return "\n".join([*self.found, *more])
