"""One sentence a line in the documents: a change of one sentence is a change of one line."""

import re

import pytest
from generated import GENERATED, ROOT

PAGES = sorted({*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"} - {*GENERATED})
_ASIDE = re.compile(r"`[^`]*`|\[[^\]]*\]\([^)]*\)|\([^()]*\)")
_ANOTHER = re.compile(r"(?<=[a-z)\]`*\"][.?!])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.) +(?=[A-Z`*\[])")


def _prose(text):
    """Lines that are no code, table or heading."""
    code = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            code = not code
        elif not code and not line.lstrip().startswith(("|", "#", "<")) and not line.startswith("    "):
            yield line


def _sentences(line):
    """How many there are; what stands in backquotes, brackets or a link is part of one."""
    return len(_ANOTHER.split(_ASIDE.sub(lambda found: found[0][0] + "x" * (len(found[0]) - 2) + "`", line)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_line_has_one_sentence(page):
    """Tables and generated pages aside."""
    assert [line for line in _prose(page.read_text(encoding="utf-8")) if _sentences(line) > 1] == []


def test_what_counts_as_two():
    """The next sentence begins with a large letter, code, or stress; numbers of a list and what stands in brackets begin none."""
    assert [_sentences(line) for line in ("It is. So it is.", "Say `a. B`. `c` is so.", "**A.** It is. *So*.")] == [
        2,
        2,
        2,
    ]
    assert [
        _sentences(line) for line in ("1. It is.", "It (see A. Then B.) is.", "Of `a. B` this.", "**A.** It is.")
    ] == [1] * 4
