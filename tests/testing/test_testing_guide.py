"""The examples of docs/testing.md do what they say."""

import re

import pytest
from checkout import ROOT

GUIDE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def _example(name):
    """The test of this name, out of the block that defines it."""
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if f"def {name}(" in block]
    names = {}
    exec(compile(block, "docs/testing.md", "exec"), names)  # noqa: S102 - it is the document that is tested
    return names[name]


@pytest.mark.kafka
def test_a_killed_worker_loses_nothing(kafka, topic, tmp_path):
    """The first example passes on a real Kafka."""
    _example("test_a_killed_worker_loses_nothing")(kafka, topic, tmp_path)


def test_an_hour_takes_no_time():
    """The second one."""
    _example("test_an_hour_takes_no_time")()


def test_every_module_is_in_the_table():
    """Whatever the room offers is told of."""
    package = ROOT / "bridge" / "testing"
    modules = {f"bridge.testing.{path.stem}" for path in package.glob("[a-z]*.py")}
    assert modules | {"bridge.testing.kafka"} <= set(
        re.findall(r"^\| `(bridge\.testing[\w.]*)`", GUIDE, flags=re.MULTILINE)
    )
