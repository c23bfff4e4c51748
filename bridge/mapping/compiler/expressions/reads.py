"""Which paths a mapping reads, each once, and the generated statements that read them with shared prefixes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.mapping.compiler.output.output_values import follow
from bridge.mapping.syntax.paths import Every, Index, Key, Path, Segment
from bridge.mapping.values import pycode as py

if TYPE_CHECKING:
    from typing import Any


@dataclass(slots=True)
class _Branch:
    variable: str
    path: Path
    wanted: bool = False
    below: dict[Segment, _Branch] = field(default_factory=dict)
    wild: dict[Path, str] = field(default_factory=dict)
    """Rest of a path from its ``[*]`` on -> variable."""


class Reads:
    """Collects paths; :meth:`statements` reads them all from the variable ``event``.

    ``names`` takes the constants that the statements need. With ``strict`` every path also gets a variable that tells
    whether it is absent.
    """

    def __init__(self, names: dict[str, Any], *, strict: bool = False) -> None:
        self._root = _Branch("event", ())
        self._names = names
        self._count = 0
        self._strict = strict
        self._absent: dict[str, str] = {}
        """Variable of a path -> variable that is true when the path is absent (strict only)."""

    def variable(self, path: Path) -> str:
        """The variable that will hold the value at ``path``."""
        here = self._root
        for position, segment in enumerate(path):
            if isinstance(segment, Every):
                rest = path[position + 1 :]
                if rest not in here.wild:
                    here.wild[rest] = self._new()
                return here.wild[rest]
            if segment not in here.below:
                here.below[segment] = _Branch(self._new(), path[: position + 1])
            here = here.below[segment]
        here.wanted = True
        return here.variable

    def absent(self, variable: str) -> str:
        """The variable that tells whether the path of ``variable`` is absent (``strict`` only)."""
        return self._absent.setdefault(variable, f"absent_{variable}")

    def _new(self) -> str:
        self._count += 1
        return f"p{self._count}"

    def statements(self) -> list[py.Stmt]:
        """The reading statements, in the order of dependence."""
        body = self._below(self._root)
        for variable, flag in self._absent.items():
            body.append(py.assign(py.is_(py.name(variable), py.name("MISSING")), flag))
        if self._strict:
            for variable in self._everything(self._root):
                missing = py.is_(py.name(variable), py.name("MISSING"))
                body.append(py.when(missing, [py.assign(py.const(None), variable)]))
        return body

    def _nothing(self) -> py.Expr:
        return py.name("MISSING") if self._strict else py.const(None)

    def _everything(self, branch: _Branch) -> list[str]:
        found = list(branch.wild.values())
        for inner in branch.below.values():
            found.append(inner.variable)
            found.extend(self._everything(inner))
        return found

    def _or_path(self, branch: _Branch, key: Key, variable: str) -> py.Stmt:
        """The path that a name with dots also means, where no child has the name itself."""
        bound = f"{variable}_steps"
        self._names[bound] = key.steps
        self._names["follow"] = follow
        held = py.name(variable)
        found = py.call("follow", py.name(branch.variable), py.name(bound))
        body: list[py.Stmt] = [py.assign(found, variable)]
        if self._strict:
            body.append(py.when(py.is_(held, py.const(None)), [py.assign(py.name("MISSING"), variable)]))
        return py.when(py.any_of(py.is_(held, py.const(None)), py.is_(held, self._nothing())), body)

    def _below(self, branch: _Branch) -> list[py.Stmt]:
        keys = [(segment, inner) for segment, inner in branch.below.items() if isinstance(segment, Key)]
        indexes = [(segment, inner) for segment, inner in branch.below.items() if isinstance(segment, Index)]
        arrays: list[py.Stmt] = []
        arrays_read: list[str] = []
        for segment, inner in indexes:
            length = py.call("len", py.name(branch.variable))
            element = py.item(py.name(branch.variable), py.const(segment.value))
            found = py.either(py.above(length, py.const(segment.value)), element, self._nothing())
            arrays.append(py.assign(found, inner.variable))
            arrays.extend(self._below(inner))
            arrays_read += [inner.variable, *self._everything(inner)]
        for number, (rest, variable) in enumerate(branch.wild.items()):
            bound = f"{branch.variable}_rest{number}"
            self._names[bound] = rest
            arrays.append(py.assign(py.call("every", py.name(branch.variable), py.name(bound)), variable))
            arrays_read.append(variable)
        objects: list[py.Stmt] = []
        objects_read: list[str] = []
        getter = f"get_{branch.variable}"
        if keys:
            objects.append(py.assign(py.attribute(py.name(branch.variable), "get"), getter))
        for key, inner in keys:
            default = (py.name("MISSING"),) if self._strict else ()
            objects.append(py.assign(py.call(getter, py.const(key.name), *default), inner.variable))
            if key.dotted:
                objects.append(self._or_path(branch, key, inner.variable))
        for _, inner in keys:
            objects.extend(self._below(inner))
            objects_read += [inner.variable, *self._everything(inner)]
        body: list[py.Stmt] = []
        if objects:
            if branch is self._root:
                body += objects  # apply() sees to it that the event is an object
            else:
                otherwise = [py.assign(self._nothing(), *objects_read)]
                body.append(py.when(py.classed(branch.variable, "dict"), objects, otherwise))
        if arrays:
            otherwise = [py.assign(self._nothing(), *arrays_read)]
            body.append(py.when(py.classed(branch.variable, "list"), arrays, otherwise))
        return body
