"""The expression grammar: precedence, literals, errors with positions, and its limits."""

import time

import pytest

from bridge.mapping.syntax.explaining import ExpressionProblem
from bridge.mapping.syntax.nodes import (
    ArrayLiteral,
    Binary,
    Call,
    Lambda,
    Literal,
    MapLiteral,
    MethodCall,
    PathRef,
    Ternary,
)
from bridge.mapping.syntax.parser import parse_expression
from bridge.mapping.syntax.paths import Every, Index, Key
from bridge.mapping.syntax.printer import print_expression


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a or b and c", "a || (b && c)"),
        ("not a and b", "(!a) && b"),
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a div b mod c", "(a / b) % c"),
        ("a lt b eq c ge d", "(a < b) == (c >= d)"),
        ("a | b ^ c & d", "a | (b ^ (c & d))"),
        ("-a * b", "(-a) * b"),
        ("!a.b", "!(a.b)"),
        ("empty a && size b gt 2", "(empty a) && ((size b) > 2)"),
        ("a ? b : c ? d : e", "a ? b : (c ? d : e)"),
        ("a ?: b ?: c", "a ?: (b ?: c)"),
        ("a || b ? c : d", "(a || b) ? c : d"),
        ("a =~ b == c", "(a =~ b) == c"),
        ("a ne b", "a != b"),
    ],
)
def test_operators_bind_as_in_jexl(text: str, grouped: str):
    """Word and symbol forms, with JEXL's precedence and associativity."""
    assert parse_expression(text) == parse_expression(grouped)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1L", 1),
        ("1.5e3", 1500.0),
        ("2d", 2.0),
        ("true", True),
        ("null", None),
        ('"a\\"b"', 'a"b'),
        ("'it\\'s'", "it's"),
        ("'\\\\|'", "\\|"),
        ("'\\.'", "\\."),
        ("'\\u00e9\\n'", "é\n"),
        ('"\\uD83D\\uDE00"', "😀"),
        ("\"say 'hi'\"", "say 'hi'"),
    ],
)
def test_literals_have_their_values(text: str, value: object):
    """Numbers with Java suffixes, both quotes, escapes; other backslashes stay for regular expressions."""
    assert parse_expression(text) == Literal(value)


def test_the_documented_forms_parse():
    """Examples of Adobe's and MoEngage's pages."""
    assert parse_expression("""dformat((time * 1000), "yyyy-MM-dd'T'HH:mm:ssX")""") == Call(
        "dformat", (Binary("*", PathRef((Key("time"),)), Literal(1000)), Literal("yyyy-MM-dd'T'HH:mm:ssX"))
    )
    assert parse_expression("[1, null, 2]") == ArrayLiteral((Literal(1), Literal(None), Literal(2)))
    assert parse_expression('{"key": "value"}') == MapLiteral(((Literal("key"), Literal("value")),))
    assert parse_expression("filterArray(a, x -> x > 0)") == Call(
        "filterArray", (PathRef((Key("a"),)), Lambda("x", Binary(">", PathRef((Key("x"),)), Literal(0))))
    )
    assert parse_expression('str_to_object(a).get("k")') == MethodCall(
        Call("str_to_object", (PathRef((Key("a"),)),)), "get", (Literal("k"),)
    )
    assert isinstance(parse_expression('iif(a > 5, "x", nullify())'), Call)
    assert isinstance(parse_expression("a ? 'b' : 'c'"), Ternary)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.b[0].c", (Key("a"), Key("b"), Index(0), Key("c"))),
        ("a[*].b", (Key("a"), Every(), Key("b"))),
        ("${First Name}.x", (Key("First Name"), Key("x"))),
        ("address.street\\.name", (Key("address"), Key("street.name"))),
        ("a['b c']", (Key("a"), Key("b c"))),
        ("user.or.empty.size", (Key("user"), Key("or"), Key("empty"), Key("size"))),
        ("order", (Key("order"),)),
        ("nothing", (Key("nothing"),)),
        ("sizes.emptyish", (Key("sizes"), Key("emptyish"))),
        ("${or}", (Key("or"),)),
    ],
)
def test_paths_in_expressions(text: str, path: object):
    """Words like or, size and not are operators only where they stand alone."""
    assert parse_expression(text) == PathRef(path)


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("upper(a", 8, "the ( at character 6 wants its )"),
        ("a = b", 3, "assigns nothing"),
        ("a + ", 5, "ends too early"),
        ('concat("a)', 8, "not closed"),
        ("a b", 3, "unexpected 'b'"),
        ("a == b == c", 8, "unexpected '=='"),
        ("${a", 1, "without its closing }"),
        ("", 1, "empty"),
        ("9223372036854775808", 1, "beyond 64 bits"),
        ("1e999", 1, "beyond a double"),
        ("f(x)[*]", 1, "follows a path"),
    ],
)
def test_errors_name_the_character(text: str, position: int, says: str):
    """A syntax error has a position from 1 and words a person can act on."""
    with pytest.raises(ExpressionProblem) as caught:
        parse_expression(text)
    assert says in caught.value.message
    assert caught.value.position == position


def test_an_assignment_suggests_the_comparison():
    """A single = comes with its fix."""
    with pytest.raises(ExpressionProblem) as caught:
        parse_expression("a = 1")
    assert caught.value.fix == "compare with =="


@pytest.mark.parametrize(
    "hostile",
    ["(" * 60_000, "!" * 60_000 + "a", "a+" * 30_000 + "a", "a?" * 30_000, "a?b:" * 15_000 + "c", "[" * 60_000,
     "f(" * 20_000 + ")" * 20_000, "a." * 30_000 + "a", '"' * 60_001, "\\" * 60_000, "x" * 65_537, "{" * 60_000,
     "x->" * 20_000, "9" * 60_000, "${" * 30_000],
)  # fmt: skip
def test_hostile_text_is_refused_quickly(hostile: str):
    """Nesting and length have limits with errors of their own; nothing recurses, hangs or grows quadratically."""
    started = time.thread_time()
    with pytest.raises(ExpressionProblem):
        parse_expression(hostile)
    assert time.thread_time() - started < 5


def test_parsing_time_grows_with_the_length_only():
    """Sixteen times the text takes nowhere near 256 times as long."""

    def taken(repeats: int) -> float:
        text = "concat(" + ", ".join(f'"{n}"' for n in range(repeats)) + ")"
        best = 9.0
        for _ in range(3):
            started = time.thread_time()
            parse_expression(text)
            best = min(best, time.thread_time() - started)
        return best

    assert taken(4_000) < 80 * taken(250)


@pytest.mark.parametrize(
    "text",
    ["a ? b : c", "(a ? b : c) ? d : e", "(a ?: b) ?: c", "-(-a)", "!(!a)", "(a + b).length()", "(5).abs()", "(-a).abs()",
     "(a || b) && c", "a - (b - c)", "a / (b * c)", "(a == b) == c", "{(a ? b : c): d}", "f(x).y[0][z]", "${true}.null",
     "(a && b)[0]", "size (a + b)", "- -a", "+ +a"],
)  # fmt: skip
def test_printing_keeps_the_meaning(text: str):
    """What is printed parses to the same tree."""
    tree = parse_expression(text)
    assert parse_expression(print_expression(tree)) == tree
