"""The mutants of the routes' isolation still fit the source: each changes one place, and what comes of it is Python."""

import ast

import pytest

from mutation.route_isolation import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.partition(":")[0])
def test_each_mutant_applies(mutant):
    """Else `python -m mutation.route_isolation` would prove nothing."""
    source = (ROOT / mutant.module).read_text(encoding="utf-8")
    assert ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))
    with pytest.raises(ValueError, match="0 times"):
        mutant.apply("nothing of it")
