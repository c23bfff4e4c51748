"""`python -m mutation.route_isolation` (from tests/): takes away what keeps routes apart, one thing at a time; the test of it must fail.

Processes are started anew from the source, so each mutant is a copy of the tree with one change. Exit 1 when one survives.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEST = "tests/system/test_routes.py::test_a_held_route_holds_no_other"
_KEPT = ("bridge", "mappings", "tests", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class IsolationMutant:
    """``old`` stands once in ``module`` and becomes ``new``."""

    name: str
    module: str
    old: str
    new: str

    def apply(self, source: str) -> str:
        """The changed source; raises ``ValueError`` when it is not what this mutant was written for."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.module}: what {self.name!r} changes stands there {source.count(self.old)} times")
        return source.replace(self.old, self.new)


MUTANTS = (
    IsolationMutant(
        "one gate for all: where one route's circuit is open, every route waits",
        "bridge/delivery/pacing.py",
        "        if not self._opened:\n            return 0.0\n        if self._probing:\n",
        "        from pathlib import Path\n"
        "        gate = Path('one-gate')\n"
        "        if self._opened:\n            gate.touch()\n"
        "        if not self._opened:\n            return 1.0 if gate.exists() else 0.0\n        if self._probing:\n",
    ),
    IsolationMutant(
        "one fate for all: the route that is given up ends every process",
        "bridge/worker/processes/group.py",
        "        if all(each.given_up is not None for each in self._routes):\n            self._stop.set()\n",
        "        if any(each.given_up is not None for each in self._routes):\n            self._stop.set()\n",
    ),
)


def passes(mutant: IsolationMutant | None) -> tuple[bool, str]:
    """Whether the test passes with the mutant, or with nothing changed; and the end of what it said."""
    with tempfile.TemporaryDirectory() as folder:
        for name in _KEPT:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder)
        if mutant is not None:
            changed = Path(folder, mutant.module)
            changed.write_text(mutant.apply(changed.read_text(encoding="utf-8")), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", TEST],
            cwd=folder, capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if line.startswith("E  ")] or done.stdout.splitlines()[-3:]
    return done.returncode == 0, "\n".join(said[:3])


def main() -> int:
    """Judge each, once the unchanged tree has passed: else a slow machine would count as a killed mutant."""
    passed, said = passes(None)
    if not passed:
        print(f"the test fails with nothing changed:\n{said}")
        return 1
    alive = 0
    for mutant in MUTANTS:
        began = time.monotonic()
        survived, said = passes(mutant)
        alive += survived
        print(f"{'SURVIVED' if survived else 'killed'} in {time.monotonic() - began:.0f} s: {mutant.name}\n{said}")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
