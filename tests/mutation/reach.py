"""Says what a test file uses, by its imports and theirs: a change of anything else cannot make it fail."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from typing import TYPE_CHECKING

from mutation.roles import ROLES, ROOT, module_path

if TYPE_CHECKING:
    from pathlib import Path

_CHANGED = frozenset(module_path(module).parent for role in ROLES for module in role.modules) - {
    ROOT / "bridge" / "model"
}
_CHANGED_ALONE = frozenset(module_path(module) for role in ROLES for module in role.modules)
"""Rooms and modules of the worker: bridge/model holds what everybody speaks of."""
_FROM = (ROOT, ROOT / "tests", ROOT / "tests" / "support", ROOT / "tests" / "simulation")


@cache
def sources_of(path: Path) -> frozenset[Path]:
    """The file and every file of this project that it imports, also by way of others, also within functions."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(imported_by(each))
    return frozenset(found)


def tests_worker(path: Path) -> bool:
    """Whether the test file itself, or what it shares with other tests, imports a part of the worker.

    One that starts processes does not count: what they run is neither traced nor changed.
    """
    if "import subprocess" in path.read_text(encoding="utf-8"):
        return False
    own = {each for each in sources_of(path) if each.is_relative_to(ROOT / "tests")}
    return any(used.parent in _CHANGED or used in _CHANGED_ALONE for each in own for used in imported_by(each))


def digest_of(path: Path) -> str:
    """Changes when the file, or any source that it uses, changes."""
    together = hashlib.sha256()
    for each in sorted(sources_of(path)):
        together.update(str(each.relative_to(ROOT)).encode())
        together.update(each.read_bytes())
    return together.hexdigest()


@cache
def imported_by(path: Path) -> frozenset[Path]:
    """The files of this project that a file imports itself."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return frozenset(found for name in names if (found := _file_of(name)) is not None)


def _file_of(module: str) -> Path | None:
    below = module.replace(".", "/")
    for folder in _FROM:
        for path in (folder / f"{below}.py", folder / below / "__init__.py"):
            if path.is_file():
                return path
    return None
