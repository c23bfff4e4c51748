"""Paths: what they mean, how they print, what is refused."""

import pytest

from bridge.mapping.syntax.paths import Every, Index, Key, PathProblem, is_plain_path, parse_path, print_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", (Key("a"),)),
        ("a.b[0].c", (Key("a"), Key("b"), Index(0), Key("c"))),
        ("items[*].sku", (Key("items"), Every(), Key("sku"))),
        ("${First Name}", (Key("First Name"),)),
        ("${First\\.Name}.x", (Key("First.Name"), Key("x"))),
        ("address.street\\.name", (Key("address"), Key("street.name"))),
        ("campaign-id", (Key("campaign-id"),)),
        ("größe.日本", (Key("größe"), Key("日本"))),
        ("$set", (Key("$set"),)),
        ("m[0][1]", (Key("m"), Index(0), Index(1))),
        ("m['a.b']", (Key("m"), Key("a.b"))),
        ("user.or.size", (Key("user"), Key("or"), Key("size"))),
    ],
)
def test_text_is_read_as_the_path_it_spells(text: str, path: object):
    """Every documented form of a path, and names with blanks and hyphens that tables hold."""
    assert parse_path(text) == path


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("a.", 3),
        (".a", 1),
        ("a..b", 3),
        ("a[", 2),
        ("a[x]", 3),
        ("a[-1]", 3),
        ("a[99999]", 3),
        ("${a", 1),
        ("a]b", 2),
    ],
)
def test_what_is_no_path_is_refused_with_its_position(text: str, position: int):
    """A wrong path names the character, counted from 1."""
    with pytest.raises(PathProblem) as caught:
        parse_path(text)
    assert caught.value.position == position


def test_a_path_cannot_grow_without_bound():
    """A hostile cell of thousands of segments is refused."""
    with pytest.raises(PathProblem, match="64 segments"):
        parse_path("a." * 5_000 + "a")


@pytest.mark.parametrize("path", [(Key("a b"), Key("c.d"), Index(3), Every(), Key("}\\")), (Key("or"), Key("x"))])
def test_a_printed_path_reads_back(path: tuple):
    """Names with dots, blanks, braces and backslashes survive printing."""
    assert parse_path(print_path(path)) == path


@pytest.mark.parametrize(
    "text", ["size", "empty", "date", "order", "a.b.size", "now", "${a b}.c", "items[0].price", "mod"]
)
def test_a_plain_path_is_known_as_one(text: str):
    """Reserved words and function names are still plain paths."""
    assert is_plain_path(text)


@pytest.mark.parametrize("text", ["a + b", "f(x)", "'a'", "a b", "a-b", "a ? b : c", "1"])
def test_an_expression_is_no_plain_path(text: str):
    """Whatever has an operator, a call, a quote or a blank is not a plain path."""
    assert not is_plain_path(text)
