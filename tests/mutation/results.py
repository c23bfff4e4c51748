"""What the last run found, kept in the repository: tests/mutation/results/ROLE.json, and the table that docs/reliability.md shows of it.

A file names for each mutant the test that finds it. The next run asks that test first; nothing is believed without being judged again.
How far the files lag behind the code is counted by name: a mutant that no file knows has not been judged. And a file keeps a digest of
each module's code: a mutant of the same name may be found no more when the lines around it have changed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mutation.mutations import mutants_of
from mutation.roles import ROLES, ROOT, Role, module_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mutation.judge import Judged
    from mutation.mutations import Mutant

RESULTS = Path(__file__).with_name("results")
EQUIVALENTS = Path(__file__).with_name("equivalents.toml")


@dataclass(frozen=True, slots=True)
class Stage:
    """How a mutant was judged: put into a process that had imported the module (``by_patch``), or by an import of the changed module."""

    judged: Judged
    by_patch: bool


def equivalents() -> dict[str, str]:
    """Key of a mutant that changes nothing anybody could observe -> the reason."""
    listed = tomllib.loads(EQUIVALENTS.read_text(encoding="utf-8")).get("equivalent", [])
    return {entry["key"]: entry["reason"] for entry in listed}


def mutants_of_role(role: Role) -> list[Mutant]:
    """All of them, as the code is now."""
    return [each for module in role.modules for each in mutants_of(module, module_path(module).read_text("utf-8"))]


def path_of(role: Role) -> Path:
    """Where a role's results lie."""
    return RESULTS / f"{role.name.replace(' ', '-')}.json"


def write(
    role: Role,
    mutants: Iterable[Mutant],
    equivalent: Mapping[str, str],
    stages: Iterable[Stage],
    *,
    date: str,
    commit: str,
) -> None:
    """Write what was found of a role. ``date``, ``commit``: when, and of which code."""
    mutants, stages = list(mutants), [stage for stage in stages if stage.judged.mutant.module in role.modules]
    found: dict[str, dict[str, list[str]]] = {module: defaultdict(list) for module in role.modules}
    for stage in stages:
        if stage.judged.is_found:
            found[stage.judged.mutant.module][stage.judged.found_by].append(_name(stage.judged.mutant))
    same = sorted(mutant.key for mutant in mutants if mutant.key in equivalent)
    counts = Counter(stage.by_patch for stage in stages if stage.judged.is_found)
    text = json.dumps(
        {
            "role": role.name,
            "judged": date,
            "commit": commit,
            "code": code_of(role.modules),
            "mutants": len(mutants),
            "found_by_patch": counts[True],
            "found_by_import": counts[False],
            "equivalent": same,
            "survivors": sorted(stage.judged.mutant.key for stage in stages if not stage.judged.is_found),
            "found": {
                module: {test: sorted(names) for test, names in sorted(tests.items())}
                for module, tests in found.items()
            },
        },
        indent=1,
        ensure_ascii=False,
    )
    RESULTS.mkdir(exist_ok=True)
    path_of(role).write_text(text + "\n", encoding="utf-8")


def read(role: Role) -> dict[str, Any] | None:
    """What was written, None when the role has never been judged."""
    path = path_of(role)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def found_before(results: Mapping[str, Any] | None) -> dict[str, str]:
    """Key of a mutant -> the test that found it."""
    modules = results["found"].items() if results else ()
    return {f"{module}:{name}": test for module, tests in modules for test, names in tests.items() for name in names}


def not_judged(role: Role) -> list[str]:
    """Keys of the role's mutants that its results do not know, or know by a test that is not there any more."""
    results = read(role)
    known = {key for key, test in found_before(results).items() if _is_there(test)}
    known.update(results["equivalent"] if results else ())
    return [mutant.key for mutant in mutants_of_role(role) if mutant.key not in known]


def changed_since(role: Role) -> list[str]:
    """The role's modules whose code is not the one that was judged; comments, docstrings and layout do not count."""
    results = read(role)
    judged = results.get("code", {}) if results else {}
    return [module for module, digest in code_of(role.modules).items() if judged.get(module) != digest]


def code_of(modules: Iterable[str]) -> dict[str, str]:
    """Module -> a digest of what it does now."""
    return {module: _digest(module) for module in modules}


def table() -> str:
    """The table of docs/reliability.md, of the files alone."""
    lines = [
        "| role | mutants | found in a patched process | found by an import | equivalent | survivors | found most by | judged |",
        "|---|--:|--:|--:|--:|--:|---|---|",
    ]
    totals = [0, 0, 0, 0, 0]
    for role in ROLES:
        results = read(role)
        if results is None:
            lines.append(f"| {role.name} | not judged |" + " |" * 6)
            continue
        counts = [results["mutants"], results["found_by_patch"], results["found_by_import"]]
        counts += [len(results["equivalent"]), len(results["survivors"])]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        files = Counter(test.partition("::")[0] for test in found_before(results).values())
        most = ", ".join(f"`{file}`" for file, _ in sorted(files.items(), key=lambda each: (-each[1], each[0]))[:2])
        lines.append(f"| {role.name} | {' | '.join(map(str, counts))} | {most} | {results['judged']} |")
    lines.append(f"| **all** | {' | '.join(f'**{total}**' for total in totals)} | | |")
    return "\n".join(lines)


def _digest(module: str) -> str:
    """Of what a module does."""
    tree = ast.parse(module_path(module).read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not _is_text(each)]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _name(mutant: Mutant) -> str:
    """Its key without the module."""
    return mutant.key.removeprefix(f"{mutant.module}:")


def _is_there(test: str) -> bool:
    """Whether the file has the test, or for a test of a class or a generated one, the last name of it that can be looked for."""
    file, _, name = test.partition("::")
    path = ROOT / file
    if not path.is_file():
        return False
    words = [word.partition("[")[0] for word in name.split("::")]
    text = path.read_text(encoding="utf-8")
    return all(word in text for word in words if word and word != "runTest")
