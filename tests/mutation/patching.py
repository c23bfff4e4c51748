"""Changes a module that is imported already: its functions get the mutant's code, its constants the mutant's values.

Much quicker than to import the module anew with all that use it. What it cannot change (something that only the import itself
does) stays as it was, so that such a mutant is judged by an import (:mod:`mutation.judge`).
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FunctionType, ModuleType

_CONSTANTS = (int, float, bool, str, tuple, frozenset)


def patch(module: ModuleType, code: CodeType) -> bool:
    """Let the module, as whoever imported it knows it, do what this code of it says; whether anything of it has changed."""
    changed = types.ModuleType(module.__name__)
    changed.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    exec(code, changed.__dict__)  # noqa: S102 - the project's own source with one change
    patching = _Patch(module.__name__)
    patching.take_over(module.__dict__, changed.__dict__, lambda name, value: _rebind(name, value, module))
    return patching.changed


def _rebind(name: str, value: object, module: ModuleType) -> None:
    """Set a constant of the module, also where others have imported it by name."""
    old = module.__dict__[name]
    for other in list(sys.modules.values()):
        if getattr(other, "__name__", "").startswith("bridge") and other.__dict__.get(name) is old:
            other.__dict__[name] = value


class _Patch:
    """One pass over a module; each function is changed once."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._seen: set[int] = set()
        self.changed = False

    def take_over(self, old: Any, new: Any, put: Callable[[str, object], None]) -> None:
        """``old`` and ``new`` are namespaces of a module or of a class; ``put`` sets a constant in the old one."""
        for name, value in list(new.items()):
            before = old.get(name)
            if before is None or (name.startswith("__") and isinstance(value, _CONSTANTS)):
                continue
            if isinstance(value, _CONSTANTS):
                if type(before) is type(value) and before != value:
                    put(name, value)
                    self.changed = True
            else:
                self._one(before, value)

    def _one(self, before: Any, value: Any) -> None:
        if isinstance(value, types.FunctionType) and isinstance(before, types.FunctionType):
            self._function(before, value)
        elif isinstance(value, staticmethod | classmethod) and isinstance(before, staticmethod | classmethod):
            self._one(before.__func__, value.__func__)
        elif isinstance(value, property) and isinstance(before, property):
            self._one(before.fget, value.fget)
        elif isinstance(value, type) and isinstance(before, type) and value.__module__ == self._module:
            self.take_over(before.__dict__, value.__dict__, lambda name, found: setattr(before, name, found))
        elif hasattr(value, "__wrapped__") and hasattr(before, "__wrapped__"):
            self._one(before.__wrapped__, value.__wrapped__)

    def _function(self, before: FunctionType, value: FunctionType) -> None:
        if id(before) in self._seen or len(before.__code__.co_freevars) != len(value.__code__.co_freevars):
            return
        self._seen.add(id(before))
        self.changed = self.changed or _differ(before, value)
        before.__code__ = value.__code__
        before.__defaults__, before.__kwdefaults__ = value.__defaults__, value.__kwdefaults__
        if hasattr(before, "__wrapped__") and hasattr(value, "__wrapped__"):
            self._one(before.__wrapped__, value.__wrapped__)


def _differ(before: FunctionType, value: FunctionType) -> bool:
    return any(getattr(before, each) != getattr(value, each) for each in ("__code__", "__defaults__", "__kwdefaults__"))
