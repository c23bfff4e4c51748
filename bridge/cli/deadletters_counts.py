"""Counts dead letters: open and replayed, by stage and code, and by the field that the reason names and the event's code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bridge.cli.app import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from bridge.model.dead_letter import DeadLetter
    from bridge.model.ports import Decoder

_ROWS = 20


class Counts:
    """The counts, each twice: all, and of those what was replayed. ``decoder`` reads the codes of their events."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.all: Counter[tuple[str, ...]] = Counter()
        self.replayed: Counter[tuple[str, ...]] = Counter()
        self._stages: Counter[tuple[str, ...]] = Counter()
        self._stages_replayed: Counter[tuple[str, ...]] = Counter()

    def add(self, letter: DeadLetter, *, replayed: bool) -> None:
        """Count one letter."""
        from bridge.kafka.dead_letters.stored_letters import event_codes, field_of

        stage = (letter.stage, letter.code)
        codes = ", ".join(sorted(code for code in event_codes(letter.value, self._decoder) if code != "None"))
        detail = (*stage, field_of(letter), codes)
        self._stages[stage] += 1
        self.all[detail] += 1
        if replayed:
            self._stages_replayed[stage] += 1
            self.replayed[detail] += 1

    def to_json(self) -> dict[str, Any]:
        """All counts as a JSON object."""
        return {
            "total": self.all.total(),
            "open": self.all.total() - self.replayed.total(),
            "replayed": self.replayed.total(),
            "counts": [
                {"stage": stage[0], "code": stage[1], **_numbers(count, self._stages_replayed[stage])}
                for stage, count in self._stages.most_common()
            ],
            "details": [
                dict(zip(("stage", "code", "field", "event_code"), detail, strict=True))
                | _numbers(count, self.replayed[detail])
                for detail, count in self.all.most_common()
            ],
        }

    def tables(self, topic: str) -> Iterator[Table]:
        """A table by stage and code; a second one where reasons name fields, or events have codes."""
        from rich.table import Table

        total, replayed = self.all.total(), self.replayed.total()
        table = Table("count", "open", "replayed", "stage", "code", title=f"{total} dead letters in {topic}")
        for stage, count in self._stages.most_common():
            done = self._stages_replayed[stage]
            table.add_row(str(count), str(count - done), str(done), *map(plain, stage))
        if len(self._stages) > 1:
            table.add_section()
            table.add_row(str(total), str(total - replayed), str(replayed), "all", "")
        yield table
        if not any(detail[2] or detail[3] for detail in self.all):
            return
        rows = self.all.most_common(_ROWS)
        more = f", the {_ROWS} most frequent of {len(self.all)}" if len(self.all) > _ROWS else ""
        table = Table("count", "open", "code", "field", "event code", title=f"by field and event code{more}")
        for detail, count in rows:
            table.add_row(str(count), str(count - self.replayed[detail]), *map(plain, detail[1:]))
        yield table


def _numbers(count: int, replayed: int) -> dict[str, int]:
    return {"count": count, "open": count - replayed, "replayed": replayed}
