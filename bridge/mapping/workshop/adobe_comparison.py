"""What Adobe's preview makes of an event beside what this engine makes of it, row by row. Pure.

Compared is what a value means: two spellings of one instant are the same, and so are a whole number and its float; nothing, null
and an empty object or array are all nothing. What Adobe computes and this engine does not is a fault of this engine.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.mapping.syntax.paths import Every, Index, Key, Path, parse_path
from bridge.mapping.workshop.trace import differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.mapping.compiler.preparation import Prepared


class Difference(NamedTuple):
    """One leaf that differs. ``row``: line of the mapping set that writes it, None where none does."""

    row: int | None
    source_type: str
    source: str
    path: str
    ours: Any
    adobes: Any
    adobes_error: str | None = None


def compare(
    rows: Sequence[Prepared],
    ours: Mapping[str, Any],
    adobes: Mapping[str, Any],
    errors: Sequence[Mapping[str, Any]] = (),
) -> list[Difference]:
    """Every leaf that differs in meaning; ``errors``: Adobe's ``TransformErrorInfo``, told beside what they concern."""
    by_destination = {str(one.get("destination") or ""): _words(one) for one in errors}
    found = []
    for change in differences(dict(ours), dict(adobes)):
        if _meaning(change.this) == _meaning(change.other):
            continue
        writer = _writer(rows, change.path)
        error = by_destination.get(change.path) or (by_destination.get(writer.destination) if writer else None)
        if writer is None:
            found.append(Difference(None, "", "", change.path, change.this, change.other, error))
        else:
            found.append(
                Difference(
                    writer.row.row, writer.row.source_type, writer.source, change.path, change.this, change.other, error
                )
            )
    return found


def _words(error: Mapping[str, Any]) -> str:
    return str(error.get("exception") or error.get("message") or "an error")[:300]


def _meaning(value: Any) -> Any:
    """What two values have to share to be the same."""
    if value is None or value in ({}, [], ""):
        return None
    if isinstance(value, bool):
        return ("flag", value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        return _instant(value) or value
    if isinstance(value, dict):
        made = {key: _meaning(one) for key, one in value.items()}
        return {key: one for key, one in made.items() if one is not None} or None
    return [_meaning(one) for one in value]


def _instant(text: str) -> datetime | None:
    if len(text) < len("2026-01-01T00:00Z") or text[4:5] != "-" or "T" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _writer(rows: Sequence[Prepared], path: str) -> Prepared | None:
    """The row whose destination is the path or the longest part above it; of several the last, which wins."""
    steps = parse_path(path)
    best: tuple[int, Prepared] | None = None
    for one in rows:
        if one.target is not None and _is_above(one.target, steps) and (best is None or len(one.target) >= best[0]):
            best = (len(one.target), one)
    return best[1] if best else None


def _is_above(target: Path, steps: Path) -> bool:
    if len(target) > len(steps):
        return False
    return all(
        (isinstance(mine, Every) and isinstance(step, Index)) or _name(mine) == _name(step)
        for mine, step in zip(target, steps, strict=False)
    )


def _name(step: Any) -> Any:
    return step.name if isinstance(step, Key) else step


def cases(found: Sequence[Difference], event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The differences of one event as they are reported: the row, the event, both results."""
    for one in found:
        yield {
            "source_type": one.source_type,
            "source": one.source,
            "destination": one.path,
            "event": dict(event),
            "expected": one.adobes,
            "got": one.ours,
            **({"adobes_error": one.adobes_error} if one.adobes_error else {}),
        }
