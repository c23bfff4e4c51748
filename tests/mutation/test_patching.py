"""A module that is imported already is changed in place, and a change that only its import could make is told as none."""

import sys
import types

import pytest

from mutation.mutations import compile_mutant, mutants_of
from mutation.patching import patch

SOURCE = """
LIMIT = 5
TABLE = {"a": 1}

def over(value, *, least=2):
    return value > LIMIT and value >= least

class Account:
    SHARE = 3

    def __init__(self):
        super().__init__()
        self.left = 4

    @property
    def some(self):
        return self.left > 0

    @staticmethod
    def half(value):
        return value - 6
"""


@pytest.fixture
def module(monkeypatch):
    """The source, imported."""
    made = types.ModuleType("bridge.patched")
    made.__file__ = "patched.py"
    monkeypatch.setitem(sys.modules, "bridge.patched", made)
    exec(compile(SOURCE, "patched.py", "exec"), made.__dict__)  # noqa: S102
    return made


def _patch(module, before, after):
    (mutant,) = (each for each in mutants_of("bridge.patched", SOURCE) if (each.before, each.after) == (before, after))
    return patch(module, compile_mutant(mutant, SOURCE, "patched.py"))


@pytest.mark.parametrize(
    ("before", "after", "look"),
    [
        ("5", "0", lambda module, _account: module.over(3)),
        ("value > LIMIT", "value >= LIMIT", lambda module, _account: module.over(5)),
        ("2", "0", lambda module, _account: module.over.__kwdefaults__["least"] == 0),
        ("3", "0", lambda _module, account: account.SHARE == 0),
        ("4", "0", lambda module, _account: module.Account().left == 0),
        ("self.left > 0", "self.left >= 0", lambda _module, account: setattr(account, "left", 0) or account.some),
        ("value - 6", "value + 6", lambda module, _account: module.Account.half(6) == 12),
    ],
)
def test_each_place_of_a_change_is_reached(module, before, after, look):
    """Constants, functions, defaults, methods, properties: also of objects that were there before."""
    account = module.Account()
    assert not look(module, account)
    account = module.Account()
    assert _patch(module, before, after) is True
    assert look(module, account)


@pytest.mark.parametrize(("before", "after"), [("1", "0"), ("super().__init__()", "pass")])
def test_what_only_an_import_changes_is_told(module, before, after):
    """What a table was made of, and a function that needs its class no longer."""
    assert _patch(module, before, after) is False


def test_the_module_s_own_code_changes_nothing(module):
    """Put in the same way, which shows that the way itself is sound."""
    assert patch(module, compile(SOURCE, "patched.py", "exec")) is False
    assert module.over(6)
