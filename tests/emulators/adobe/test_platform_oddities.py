"""Every reading that the emulator has a name for is played by a test under each of its values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from bridge.emulators.adobe.platform.oddities import Oddities

HERE = Path(__file__).resolve().parent
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("test_*.py")) if path != Path(__file__))


@pytest.mark.parametrize("name", Oddities.model_fields)
def test_every_oddity_is_switched_by_a_test(name):
    """A test names it, and each value that is not its default (parametrized ones stand in their list)."""
    field = Oddities.model_fields[name]
    assert re.search(rf'"{name}"', TEXT), f"no test switches {name}"
    for value in get_args(field.annotation):
        if value != field.default:
            assert re.search(rf'["\[( ]{value}\b', TEXT), f"no test plays {name}={value}"


def test_a_wrong_value_is_named():
    """The message says which oddity and which values there are, and nothing is changed."""
    oddities = Oddities()
    with pytest.raises(ValueError, match=r"dataset_names\n.*'free' or 'unique'"):
        oddities.change({"flow_names": "unique", "dataset_names": "some"})
    assert oddities == Oddities()
