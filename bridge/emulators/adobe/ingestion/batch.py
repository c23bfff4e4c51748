"""A batch of a dataset, as Catalog shows it and Data Access holds its files."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PART_LINES: Final = 1_000


def new_batch_id(now_ms: int) -> str:
    """A ULID, which sorts by time."""
    number = (now_ms << 80) | secrets.randbits(80)
    return "".join(_LETTERS[(number >> shift) & 31] for shift in range(125, -1, -5))


@dataclass(slots=True)
class Batch:
    """Counts and, as far as they are kept, failed lines and good rows. Times are milliseconds since the epoch."""

    identifier: str
    dataset_id: str
    status: str
    created: int
    records: int
    failed_records: int = 0
    size: int = 0
    flow_ids: tuple[str, ...] = ()
    reasons: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Code of a failure -> the first words it came with and how many records had it first."""
    mapper_failures: int = 0
    lines: list[bytes] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)
    """For every failed line its errors as a JSON list."""
    rows: list[bytes] = field(default_factory=list)
    successor: str | None = None
    predecessors: tuple[str, ...] = ()
    completed: int = 0

    @property
    def passed(self) -> int:
        """Records that are in the dataset."""
        return self.records - self.failed_records

    def parts(self) -> dict[str, list[bytes]]:
        """The failed lines by name of their file."""
        return {
            f"part-{number:05d}-{self.identifier.lower()}-c000.json": self.lines[start : start + _PART_LINES]
            for number, start in enumerate(range(0, len(self.lines), _PART_LINES))
        }

    def shown(self, *, metrics: str, org_id: str, sandbox: str) -> dict[str, Any]:
        """The batch as Catalog shows it; ``metrics`` is the reading ``batch_metrics``."""
        document: dict[str, Any] = {
            "id": self.identifier,
            "imsOrg": org_id,
            "sandboxId": sandbox,
            "status": self.status,
            "created": self.created,
            "createdClient": "acp_core_streaming",
            "started": self.created,
            "completed": self.completed or self.created,
            "updated": self.completed or self.created,
            "version": "1.0.3",
            "relatedObjects": [{"type": "dataSet", "id": self.dataset_id}],
            "errors": [
                {"code": code, "description": words, "rows": []} for code, (words, _) in sorted(self.reasons.items())
            ],
            "tags": self._tags(),
            "inputFormat": {"format": "json"},
        }
        if self.predecessors:
            document["replay"] = {"predecessors": [*self.predecessors], "reason": "compaction"}
        return document | self._counts(metrics)

    def _tags(self) -> Mapping[str, list[str]]:
        tags = {
            "acp_enableErrorDiagnostics": ["true"],
            "acp_partialIngestionPercent": ["100"],
            "flowId": [*self.flow_ids],
        }
        return tags if self.successor is None else tags | {"acp_successor": [self.successor]}

    def _counts(self, metrics: str) -> dict[str, Any]:
        failed = self.failed_records
        if metrics == "documented":
            counts = {
                "inputRecordCount": self.records,
                "outputRecordCount": self.passed,
                "failedRecordCount": failed,
                "inputByteSize": self.size,
            }
            return {"recordCount": self.records, "failedRecordCount": failed, "metrics": counts}
        if metrics == "lake":
            return {"metrics": {"recordsRead": self.records, "recordsWritten": self.passed, "recordsFailed": failed}}
        if metrics == "streaming":
            return {
                "metrics": {
                    "recordsSize": self.records,
                    "invalidRecordCount": failed,
                    "invalidRecordsStreamingValidation": failed - self.mapper_failures,
                    "invalidRecordsMapper": self.mapper_failures,
                    "invalidRecordsProfile": 0,
                    "invalidRecordsIdentity": 0,
                    "invalidRecordsUnknown": 0,
                }
            }
        return {}
