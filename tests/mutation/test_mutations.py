"""The generator of `make mutants` finds what it should change, changes just that, and leaves alone what decides nothing."""

import ast
from types import SimpleNamespace

import pytest

from mutation.mutations import compile_mutant, mutants_of

SOURCE = '''
"""A docstring with 1 number."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from nowhere import nothing

LIMIT = 5

def decide(value, other, *, flag=False):
    """Another one."""
    if value < other and not flag:
        return "less"
    if flag:
        told.append(value)
    log.info("value", number=3)
    return max(value, other) - 1
'''


def _by_kind(kind):
    return [mutant for mutant in mutants_of("m", SOURCE) if mutant.kind == kind]


def _run(mutant, *arguments, **named):
    told = []
    namespace = {"told": told, "log": SimpleNamespace(info=lambda *_, **__: None)}
    exec(compile_mutant(mutant, SOURCE, "m.py"), namespace)  # noqa: S102
    return namespace["decide"](*arguments, **named), told


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("comparison", "value < other", "value <= other"),
        ("boolean", "value < other and (not flag)", "value < other or not flag"),
        ("boolean", "not flag", "not not flag"),
        ("boolean", "flag", "not flag"),
        ("constant", "5", "0"),
        ("constant", "False", "True"),
        ("constant", "1", "0"),
        ("early return", "return 'less'", "pass"),
        ("removed call", "told.append(value)", "pass"),
        ("swapped call", "max(value, other)", "min(value, other)"),
        ("arithmetic", "max(value, other) - 1", "max(value, other) + 1"),
    ],
)
def test_each_kind_of_change_is_made(kind, before, after):
    """Every comparison, boolean, constant, early return, call and pair of arguments has its mutant."""
    assert (before, after) in [(mutant.before, mutant.after) for mutant in _by_kind(kind)]


def test_what_decides_nothing_stays():
    """Docstrings, log lines and what only type checkers read have no mutant."""
    assert len(mutants_of("m", SOURCE)) == 11


def test_a_mutant_differs_in_one_place():
    """The compiled mutant behaves differently where it was changed, and as ever elsewhere."""
    (swapped,) = _by_kind("swapped call")
    assert _run(swapped, 3, 1, flag=True) == (0, [3])
    assert _run(swapped, 1, 3) == ("less", [])
    (removed,) = _by_kind("removed call")
    assert _run(removed, 1, 3, flag=True) == (2, [])


def test_keys_are_unique_and_do_not_depend_on_lines():
    """A mutant keeps its name when lines are added above it."""
    keys = [mutant.key for mutant in mutants_of("m", SOURCE)]
    assert len(set(keys)) == len(keys)
    assert [mutant.key for mutant in mutants_of("m", "\n\n# more\n" + SOURCE)] == keys


def test_arguments_are_swapped_where_order_matters():
    """A call of two arguments has a mutant with both exchanged; min, isinstance and suppress have none."""
    source = "def f(a, b):\n    return g(a, b), isinstance(a, b), min(a, b), g(a, a), contextlib.suppress(a, b)\n"
    swapped = [mutant.after for mutant in mutants_of("m", source) if mutant.kind == "swapped arguments"]
    assert swapped == ["g(b, a)"]
    assert ast.parse(swapped[0])
