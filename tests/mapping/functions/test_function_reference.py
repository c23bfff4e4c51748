"""docs/functions.md is what the registry says; ``make generated`` writes it."""

from __future__ import annotations

from pathlib import Path

from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS
from bridge.mapping.workshop.function_examples import examples_of
from bridge.mapping.workshop.function_reference import markdown

PAGE = Path(__file__).parents[3] / "docs/functions.md"


def test_the_page_is_current() -> None:
    """The page in the repository is the one that the registry gives."""
    assert PAGE.read_text("utf-8") == markdown()


def test_the_page_has_every_function_and_method() -> None:
    """Nothing that can be written in a mapping is missing from the page."""
    page = markdown()
    for name in FUNCTIONS.keys() | METHODS.keys():
        assert f"`{name}" in page


def test_every_function_has_an_example_that_works() -> None:
    """Each function and method that is not refused is shown with a value; only nullify gives null."""
    for known in {id(one): one for one in (*FUNCTIONS.values(), *METHODS.values())}.values():
        examples = examples_of(known)
        assert bool(examples) is (known.refused is None), known.name
        for example in examples:
            assert known.name in example.expression or any(name in example.expression for name in known.aliases)
            assert example.reason is None
            assert (example.shown == "null") is (known.name == "nullify"), example
