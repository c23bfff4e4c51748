"""The table of docs/reliability.md, section "Without its safeties": for each role how many changes were made and found."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mutation.judge import Judged, Verdict
from mutation.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mutation.mutations import Mutant

_FOUND = {Verdict.KILLED, Verdict.TIMED_OUT}


def write_table(
    path: Path, judged: Sequence[Judged], mutants: Sequence[Mutant], equivalents: Mapping[str, str]
) -> None:
    """Write it as Markdown, ready for the document."""
    made = Counter(mutant.module for mutant in mutants)
    same = Counter(mutant.module for mutant in mutants if mutant.key in equivalents)
    found = Counter(each.mutant.module for each in judged if each.verdict in _FOUND)
    left = Counter(each.mutant.module for each in judged if each.verdict not in _FOUND)
    lines = ["| role | mutants | found by a fast test | equivalent | survivors |", "|---|--:|--:|--:|--:|"]
    for role in ROLES:
        counts = [sum(counter[module] for module in role.modules) for counter in (made, found, same, left)]
        lines.append(f"| {role.name} | " + " | ".join(str(count) for count in counts) + " |")
    totals = [sum(counter.values()) for counter in (made, found, same, left)]
    lines.append("| **all** | " + " | ".join(f"**{count}**" for count in totals) + " |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
