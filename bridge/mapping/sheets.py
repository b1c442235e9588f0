r"""CSV files as spreadsheets write them: with a byte order mark, `;` or tabs, CRLF, quotes.

Values stay the text they are: a leading zero is part of a SKU. What a spreadsheet has made of a
value (`4.0E+12`, `Jan-12`) is found by whoever reads that column.

>>> problems = Problems()
>>> sheet = Sheet("items.csv", columns=("code", "sku", "gtin"), needed=1)
>>> list(sheet.rows(b"\xef\xbb\xbfCode;SKU\r\n0815;\"A;1\"\r\n", problems)), bool(problems)
([(2, ('0815', 'A;1', ''))], False)
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.mapping.problems import Problems

MAX_HEADER = 10_000
"""Characters of a header: hundreds of columns, as a sheet of somebody else's may have."""
MAX_VALUE = 128
"""Characters of one value: what a transaction can carry."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS = 'save it as "CSV UTF-8"'

Row = tuple[int, tuple[str, ...]]
"""Number of the row's last line in its file, and its values in the order of `Sheet.columns`."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind of file. Its header names columns in any order; `note` is for people."""

    name: str
    columns: tuple[str, ...]
    needed: int
    """How many of them, from the first, the header must have and each row must fill."""

    def rows(self, data: bytes, problems: Problems) -> Iterator[Row]:
        """Yield every row that is not empty, values stripped; what is wrong goes to `problems`."""
        text = self._text(data, problems)
        if text is None:
            return
        lines = io.StringIO(text, newline="")
        first = lines.readline(MAX_HEADER)
        skipped = first.lower().startswith("sep=")
        header = lines.readline(MAX_HEADER) if skipped else first
        mark = first[4:5] if skipped else _separator(header)
        if mark not in {",", ";", "\t"}:
            problems.add(self.name, 1, "separate columns by a comma, a semicolon or a tab")
            return
        names = [name.strip().lower() for name in next(csv.reader([header], delimiter=mark), [])]
        if not self._fits(names, 1 + skipped, problems):
            return
        places = [names.index(column) if column in names else -1 for column in self.columns]
        above = 1 + skipped
        line = above
        rows = csv.reader(lines, delimiter=mark, strict=True)
        try:
            for fields in rows:
                line = above + rows.line_num
                row = tuple(
                    fields[place].strip() if 0 <= place < len(fields) else "" for place in places
                )
                if any(fields) and self._sound(row, any(fields[len(names) :]), line, problems):
                    yield line, row
        except csv.Error as error:
            text = f"a quote after this line is not closed, or stands inside a value ({error})"
            problems.add(self.name, line, text)

    def _text(self, data: bytes, problems: Problems) -> str | None:
        if data.startswith(_UTF_16):
            problems.add(self.name, None, f"it is UTF-16: {_SAVE_AS}")
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problems.add(self.name, line, f"it is not UTF-8: {_SAVE_AS}")
            return None
        if not text.strip():
            problems.add(self.name, 1, "it is empty: its first line names the columns")
            return None
        return text

    def _fits(self, names: Sequence[str], line: int, problems: Problems) -> bool:
        named = [name for name in names if name]
        wrong = sorted(set(named) - {*self.columns, "note"})
        known = ", ".join((*self.columns, "note"))
        if wrong:
            text = f"unknown columns: {', '.join(wrong)}; there are {known}"
            problems.add(self.name, line, text)
        for name in sorted({name for name in named if named.count(name) > 1}):
            problems.add(self.name, line, f"column {name} is there twice: take one out")
        missing = [name for name in self.columns[: self.needed] if name not in named]
        for name in missing:
            problems.add(self.name, line, f"there is no column {name}")
        return not wrong and len(set(named)) == len(named) and not missing

    def _sound(self, row: tuple[str, ...], too_many: bool, line: int, problems: Problems) -> bool:
        if too_many:
            text = "there are more values than columns: put quotes around one with a separator"
            problems.add(self.name, line, text)
            return False
        filled = all(row[: self.needed])
        if filled and max(map(len, row)) <= MAX_VALUE and "".join(row).isprintable():
            return True
        sound = True
        for column, value in zip(self.columns, row, strict=True):
            if not value and column in self.columns[: self.needed]:
                problems.add(self.name, line, f"{column} must not be empty")
                sound = False
            elif value and (len(value) > MAX_VALUE or not value.isprintable()):
                text = "a line break, a no-break space or the like, or more than"
                problems.add(self.name, line, f"{column} has {text} {MAX_VALUE} characters")
                sound = False
        return sound


def _separator(header: str) -> str:
    return max(",;\t", key=header.count)
