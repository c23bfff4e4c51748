"""The tree of destinations of a mapping set, and what cannot stand together in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.mapping.sets.findings import Finding
from bridge.mapping.syntax.paths import Every, Index, Key, Path, Segment, print_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IDENTITY_MAP: Final = Key("identityMap")


@dataclass(slots=True)
class Target:
    """One place in the output: rows that write it whole, and the places below it."""

    path: Path
    rows: list[int] = field(default_factory=list)
    """Positions (in the mapping set) of rows whose destination is exactly this."""
    spread: list[tuple[int, Path]] = field(default_factory=list)
    """Rows that write this array element by element: position and the rest of the destination after ``[*]``."""
    below: dict[Segment, Target] = field(default_factory=dict)

    @property
    def is_array(self) -> bool:
        """Whether the places below are elements."""
        return bool(self.spread) or any(isinstance(segment, Index) for segment in self.below)

    @property
    def is_identity(self) -> bool:
        """Whether this is an item of identityMap: ``identityMap.NAMESPACE[n]``."""
        return len(self.path) == 3 and self.path[0] == IDENTITY_MAP and isinstance(self.path[2], Index)


def grow(destinations: Sequence[tuple[int, Path]]) -> Target:
    """The tree of all destinations; each comes with the position of its row."""
    root = Target(())
    for position, path in destinations:
        here = root
        for at, segment in enumerate(path):
            if isinstance(segment, Every):
                here.spread.append((position, path[at + 1 :]))
                break
            here = here.below.setdefault(segment, Target(path[: at + 1]))
        else:
            here.rows.append(position)
    return root


def everywhere(root: Target) -> Iterator[Target]:
    """Every place of the tree."""
    waiting = [root]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(here.below.values())


def clashes(root: Target, lines: Sequence[int]) -> list[Finding]:
    """Destinations that cannot stand together; ``lines`` gives each row's line."""
    found: list[Finding] = []
    for here in everywhere(root):
        shown = print_path(here.path)
        found += [
            Finding(
                lines[again],
                "destination",
                "destination_duplicate",
                f"{shown} is already written by row {lines[here.rows[0]]}",
            )
            for again in here.rows[1:]
        ]
        rests: dict[Path, int] = {}
        for position, rest in here.spread:
            if rest in rests:
                found.append(
                    Finding(lines[position], "destination", "destination_duplicate",
                            f"{shown}[*] is already written like this by row {lines[rests[rest]]}")
                )  # fmt: skip
            rests.setdefault(rest, position)
        keys = [inner for segment, inner in here.below.items() if isinstance(segment, Key)]
        indexes = [inner for segment, inner in here.below.items() if isinstance(segment, Index)]
        if keys and (indexes or here.spread):
            found.append(
                Finding(lines[_first(keys[0])], "destination", "destination_overlap",
                        f"{shown} is an object here and an array in another row")
            )  # fmt: skip
        if indexes and here.spread:
            found.append(
                Finding(lines[here.spread[0][0]], "destination", "destination_overlap",
                        f"{shown} is written by [*] here and by index in another row")
            )  # fmt: skip
    return found


def _first(target: Target) -> int:
    """The first row at or below ``target``."""
    return min([row for one in everywhere(target) for row in (*one.rows, *(position for position, _ in one.spread))])
