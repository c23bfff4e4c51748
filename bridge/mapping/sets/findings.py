"""What lint and the compiler find wrong in a mapping set: values with row, column, a stable code and, where known, the fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bridge.model.errors import MappingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Column = Literal["source_type", "source", "destination", "name", "description", "file"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``row`` is the line in the file (header = 1; in JSON the position in ``mappings``), 0 for the whole file.

    ``position`` counts characters of the cell from 1; None where the whole cell is meant.
    """

    row: int
    column: Column
    code: str
    message: str
    severity: Severity = "error"
    fix: str | None = None
    position: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The object that ``mapping lint --json`` prints."""
        shown: dict[str, Any] = {
            "row": self.row,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "severity": self.severity,
        }
        if self.fix is not None:
            shown["fix"] = self.fix
        if self.position is not None:
            shown["position"] = self.position
        return shown

    def __str__(self) -> str:
        place = f"row {self.row}, {self.column}" if self.row else "the file"
        at = f", character {self.position}" if self.position is not None else ""
        fix = f" (fix: {self.fix})" if self.fix else ""
        return f"{place}{at}: {self.message} [{self.code}]{fix}"


class MappingRefused(MappingError):  # noqa: N818 - it says what became of the set
    """A mapping set cannot be read or compiled; ``findings`` lists every error at once, and so does the message."""

    def __init__(self, findings: Sequence[Finding], *, what: str = "mapping set") -> None:
        ordered = in_order(findings)
        count = len(ordered)
        lines = "\n".join(f"  {finding}" for finding in ordered)
        super().__init__(f"the {what} has {count} error{'s' if count != 1 else ''}:\n{lines}")
        self.findings = ordered


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by row, then column, then position; equal ones once."""
    unique = dict.fromkeys(findings)
    columns = ("file", "source_type", "source", "destination", "name", "description")
    return tuple(sorted(unique, key=lambda one: (one.row, columns.index(one.column), one.position or 0, one.code)))
