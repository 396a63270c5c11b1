"""How a CSV text is written: what separates its columns, and what stands around its records.

Exports of spreadsheets, databases and statistics programs differ in these (RFC 4180 leaves them
open). All of it is told from the beginning of a text, by pure functions.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from sealift_protocol.errors import InvalidArgument

ORDERS = ("dmy", "mdy", "ymd")
"""The orders of day, month and year that an owner may name."""

DELIMITERS = (",", ";", "\t", "|")
"""What is recognised without being named."""

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}

SNIFFED = 1 << 16
"""Bytes from the beginning of a text by which its layout is recognised."""

_SAMPLE_ROWS = 60
_SEP = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_SEP_LINE = re.compile(rb"sep=.\r?\n", re.IGNORECASE)
_RULER = re.compile(r"[-+=|,;\t ]*-[-+=|,;\t ]*")
# psql, sqlcmd and mysql count the rows in a last line, some in the language of the user.
_COUNT = re.compile(rb"(?:^|(?<=\n))[ \t]*\(\d+ [^\d()\r\n]{1,40}\)[ \t]*[\r\n]*\Z")
_COUNTED = 80
# psql goes on with a value that has line ends in a further line, and says so with a plus.
_CONTINUED = re.compile(rb"\+\||\+\r?\n *\|")
# psql's expanded output, mysql's tables and its \G: what a screen shows.
_DRAWN = re.compile(
    r"\+[-+=]{2,}\+?|-\[ ?RECORD 1 ?\][-+ ]*|\*{5,} *1\. row \*+|[\u2500-\u257f]+"
)
# What separates columns in a text that seems to have one, but is not recognised by itself.
_RARER = {
    " ": ("spaces separate", "`delimiter=' '`"),
    ":": ("colons separate", "`delimiter=':'`"),
}
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
_VALUE = re.compile(
    r"[+-]?\d{5,}|[+-]?\d+[.,]\d+|\d{4}-\d\d-\d\d.*|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}.*"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an owner says of how a CSV text is written; empty where it is to be recognised.

    Attributes:
        delimiter: the character between columns.
        decimal: the character before decimals, `.` or `,`.
        thousands: the character between groups of three digits.
        dates: the order of day, month and year, one of `ORDERS`.
        header: whether the first line has the names of the columns.
        recognise: whether the delimiter may be recognised.
        comment: what lines before the names begin with that are comments.
    """

    delimiter: str = ""
    decimal: str = ""
    thousands: str = ""
    dates: str = ""
    header: bool | None = None
    recognise: bool = True
    comment: str = ""

    def check(self) -> None:
        """Check what was said.

        Raises:
            InvalidArgument: a character cannot have that meaning, or two have the same.
        """
        if self.delimiter and (
            len(self.delimiter) != 1
            or not self.delimiter.isascii()
            or self.delimiter.isalnum()
            or self.delimiter in '"\r\n'
        ):
            raise InvalidArgument(
                "a delimiter is one character of ASCII that is no letter, digit, quote or line "
                "end"
            )
        if self.comment and (not self.comment.isprintable() or '"' in self.comment):
            raise InvalidArgument(
                "comments begin with characters that are printed, and no quote"
            )
        if self.decimal not in ("", ".", ","):
            raise InvalidArgument("decimals begin with a point or a comma")
        if self.thousands not in ("", ".", ",", " ", "'", "\u2019", "\u00a0", "\u202f"):
            raise InvalidArgument(
                "thousands are separated by a point, comma, space or apostrophe"
            )
        if self.thousands and self.thousands == (self.decimal or "."):
            raise InvalidArgument(
                "decimals and thousands cannot have the same character",
                hint="name both, `decimal` and `thousands`",
            )
        if self.dates not in ("", *ORDERS):
            raise InvalidArgument(
                f"the order of dates is one of {', '.join(ORDERS)}",
                hint="dmy is 31.12.2024, mdy is 12/31/2024, ymd is 2024/12/31",
            )


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text is laid out.

    Attributes:
        delimiter: the character between columns.
        ruled: whether a line of hyphens follows the header, as in what databases print; then
            columns may be padded.
        columns: how many columns the header has; where it has several, a last line such as
            (2 rows) is no record.
    """

    delimiter: str
    ruled: bool = False
    columns: int = 1

    def clean(self, data: bytes) -> bytes:
        """Return records without pads, and without a count of rows behind them."""
        if (self.ruled or self.columns > 1) and b"(" in data[-_COUNTED:]:
            data = data[:-_COUNTED] + _COUNT.sub(b"", data[-_COUNTED:])
        if not self.ruled:
            return data
        mark = self.delimiter.encode()
        if self.delimiter != " ":
            data = re.sub(rb" *" + re.escape(mark) + rb" *", lambda _: mark, data)
        return b"\n".join(line.strip(b" \r") for line in data.split(b"\n"))

    def continues(self, data: bytes) -> bool:
        """Return whether a record goes on in a further line, as psql prints it."""
        return (
            self.ruled and self.delimiter == "|" and _CONTINUED.search(data) is not None
        )

    def rules(self, header: str, line: str) -> bool:
        """Return whether a line is the ruler below a header."""
        return is_ruler(header, line, self.delimiter)

    @property
    def described(self) -> str:
        """What separates the columns, in words."""
        return NAMES.get(self.delimiter, f"the character {ord(self.delimiter):02X}")


def lay_out(text: str, said: Dialect, usual: str) -> Layout:
    """Recognise the layout of a text.

    Args:
        text: its beginning, without a byte order mark.
        said: what the owner said.
        usual: what is taken if nothing else is recognised.
    """
    raw = text.encode("utf-8", "replace")
    text = raw[_comments(raw, said.comment) :].decode()
    named = _SEP.match(text)
    text = text[named.end() :] if named else text
    chosen = said.delimiter or (named[1] if named else "")
    if not chosen:
        chosen = _separating(text, usual) if said.recognise else usual
    lines = text.split("\n", 2)
    ruled = len(lines) > 1 and is_ruler(lines[0], lines[1], chosen)
    return Layout(chosen, ruled, _widths(text, chosen)[0])


def before_names(data: bytes, comment: str) -> int:
    """Return how many bytes stand before the names: comments, and `sep=;` of Excel."""
    size = _comments(data, comment)
    found = _SEP_LINE.match(data, size)
    return found.end() if found else size


def _comments(data: bytes, comment: str) -> int:
    """Return how many bytes lines have that are comments, or empty beside some."""
    begin, size = comment.encode(), 0
    while comment and data.startswith((begin, b"\r", b"\n"), size):
        end = data.find(b"\n", size)
        size = end + 1 if end >= 0 else len(data)
    return size


def is_ruler(header: str, ruler: str, delimiter: str) -> bool:
    """Return whether a line is of hyphens, with as many parts as the header."""
    ruler = ruler.strip("\r\n ")
    if not _RULER.fullmatch(ruler):
        return False
    parts = re.split(r"\+|" + re.escape(delimiter), ruler.strip("|+ "))
    return len(parts) == len(header.strip().strip("|").split(delimiter)) and all(
        "-" in part for part in parts
    )


def _separating(text: str, usual: str) -> str:
    """Return the delimiter under which most rows have as many columns as the header."""
    best, columns = usual, 1
    for candidate in (usual, *(d for d in DELIMITERS if d != usual)):
        if candidate not in text[: text.find("\n") if "\n" in text else None]:
            continue
        widths = _widths(text, candidate)
        if widths[0] > columns and all(width == widths[0] for width in widths[1:]):
            best, columns = candidate, widths[0]
    return best


def _widths(text: str, delimiter: str) -> list[int]:
    """Return how many columns the first rows have; a row that is cut off does not count."""
    lines = text.splitlines(keepends=True)
    whole = lines if text.endswith("\n") or len(lines) < 2 else lines[:-1]
    rows = csv.reader(whole[: 4 * _SAMPLE_ROWS], delimiter=delimiter)
    widths: list[int] = []
    try:
        for row in rows:
            ruler = bool(row) and bool(_RULER.fullmatch(delimiter.join(row)))
            counted = len(row) == 1 and row[0].startswith("(")
            if row and not ruler and not counted:
                widths.append(len(row))
            if len(widths) == _SAMPLE_ROWS:
                break
    except csv.Error:
        return widths or [1]
    return widths or [1]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a text that seems to have one column may have several.

    Attributes:
        what: what speaks against it.
        way_out: what to do.
    """

    what: str
    way_out: str


def doubt_of(text: str) -> Doubt | None:
    """Return why a text whose first line is one column is perhaps none.

    Taken for one column, whole records would stand under one name, and one rule of a policy would
    be for all of them.

    Args:
        text: its beginning, from the line with names on.
    """
    lines = text.splitlines(keepends=True)
    lines = lines if text.endswith("\n") or len(lines) < 3 else lines[:-1]
    lines = lines[:_SAMPLE_ROWS]
    if not lines:
        return None
    if _DRAWN.fullmatch(lines[0].strip()):
        return Doubt(
            "the text is drawn as on a screen, not CSV",
            "export CSV: `psql --csv`, or `mysql --batch`, which writes tabs",
        )
    if len(lines) > 1 and _padded(lines[1]):
        return Doubt(
            "columns are padded with spaces, and nothing separates them",
            "export with a separator: `sqlcmd -W -s ';'`, or `sqlite3 -csv`",
        )
    for other in DELIMITERS:
        widths = _widths("".join(lines[1:]), other)
        most = max(widths, key=widths.count)
        if most > 1 and widths.count(most) * 2 >= len(widths):
            return Doubt(
                f"the first line has 1 column, but rows below it have {most} if {NAMES[other]} "
                "separate them",
                "remove what stands before the names of columns, or for lines that begin with #: "
                "`comment='#'`",
            )
    for other, (separate, option) in _RARER.items():
        if (columns := _evenly(lines, other)) > 1:
            return Doubt(
                f"the text seems to have 1 column, but {columns} if {separate} them",
                f"name what separates columns: {option}",
            )
    return None


def _padded(line: str) -> bool:
    return re.fullmatch(r" *-+(?: +-+)+ *", line.strip("\r\n")) is not None


def _evenly(lines: list[str], delimiter: str) -> int:
    """Return how many columns all lines have; 1 if they differ."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        widths = [len(row) for row in reader if row]
    except csv.Error:
        return 1
    # R names its columns, but not the first one, which counts rows.
    rows = set(widths[1:])
    if len(rows) != 1 or widths[0] not in (*rows, min(rows) - 1):
        return 1
    return max(widths)


def is_record(fields: list[str]) -> bool:
    """Return whether a first line looks like a record, not like the names of columns."""
    if any(_VALUE.fullmatch(field.strip()) for field in fields):
        return True
    given = [field.strip() for field in fields if field.strip()]
    return bool(given) and all(_NUMBER.fullmatch(field) for field in given)


def numbered(fields: list[str]) -> list[str]:
    """Return names for columns that have none: column_1 and so on."""
    names = list(fields)
    for place, name in enumerate(names):
        if not name.strip():
            new = f"column_{place + 1}"
            while new in names:
                new += "_"
            names[place] = new
    return names
