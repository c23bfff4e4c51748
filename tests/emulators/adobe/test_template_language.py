"""The emulated template language: what Adobe's samples and Pebble's guide say of tags, prints, white space and escaping."""

from __future__ import annotations

import json

import pytest

from bridge.adobe.private_destination.wanted_destination import TEMPLATE
from bridge.emulators.adobe.platform.destination_sdk.template_language import render
from bridge.emulators.adobe.platform.destination_sdk.template_values import Escaping, TemplateError

SCOPE = {
    "name": 'O\'Neil "<b>" & co',
    "number": 3,
    "yes": True,
    "nothing": None,
    "list": ["a", "b", "c"],
    "map": {"x": {"y": "z"}, "k-1": 2},
    "none": {},
}
# The first two of Adobe's own samples (testing-api/streaming-destinations/render-template-api.md), without its indentation.
SAMPLE = (
    '{#- a comment -#}\n{\r\n    "identities": [\r\n    {%- for entry in input.profile.identityMap -%}\r\n'
    "    {%- set namespace = entry.key -%}\r\n        {%- for identity in entry.value %}\r\n        {\r\n"
    '            "type": "{{ namespace }}",\r\n            "id": "{{ identity.id }}"\r\n        }{%- if not loop.last -%},'
    "{%- endif -%}\r\n        {%- endfor -%}{%- if not loop.last -%},{%- endif -%}\r\n    {% endfor %}\r\n    ]\r\n}"
)
SAMPLE_OUTPUT = (
    '{\r\n    "identities": [\r\n        {\r\n            "type": "gaid",\r\n            "id": "gaid-BLAcJ"\r\n        },\r\n'
    '        {\r\n            "type": "email",\r\n            "id": "email-rbN62"\r\n        }\r\n    ]\r\n}'
)


def output(template, scope=SCOPE, *, quotes=True):
    """The rendered template."""
    return render(template, scope, Escaping(quotes=quotes))


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("plain", "plain"),
        ("{{ name }}", "O&#39;Neil &quot;&lt;b&gt;&quot; &amp; co"),
        ("{{ name | raw }}", 'O\'Neil "<b>" & co'),
        ("{{ name | escape }}", "O&#39;Neil &quot;&lt;b&gt;&quot; &amp; co"),
        ('{{ name | escape(strategy="html_attr") }}', "O&#39;Neil &quot;&lt;b&gt;&quot; &amp; co"),
        ("{{ name | urlencode }}", "O%27Neil+%22%3Cb%3E%22+%26+co"),
        ("{{ nothing }}{{ unknown.deeper[3] }}", ""),
        ("{{ nothing | urlencode }}", ""),
        ("{{ number }} {{ yes }}", "3 true"),
        ("{{ map.x | raw }}", '{"y":"z"}'),
        ("{{ map['k-1'] }}{{ map.x['y'] }}", "2z"),
        ("{% for one in list %}{{ loop.index }}{{ one }}{% if not loop.last %},{% endif %}{% endfor %}", "0a,1b,2c"),
        ("{% for one in map %}{{ one.key }};{% endfor %}", "x;k-1;"),
        ("{% for one in none %}x{% else %}empty{% endfor %}", "empty"),
        ("{% if number == 2 %}a{% elseif number > 2 %}b{% else %}c{% endif %}", "b"),
        ("{% if not yes or nothing is null and list is not empty %}a{% else %}b{% endif %}", "a"),
        ("{% set greeting = 'Hi ' ~ list[0] %}{{ greeting | upper }}", "HI A"),
        ("{% filter upper | lower %}Ab{{ list[1] }}{% endfilter %}", "abb"),
        ("{{ yes ? 'a' : 'b' }}{{ nothing | default('-') }}{{ list | join('+') }}", "a-a+b+c"),
        ("a {#- gone -#} b {{- number -}} c", "ab3c"),
        ("a{# gone #}\nb", "a\nb"),
        ("{{ list | length }}{{ list | first }}{{ list | last }}{{ ' x ' | trim }}", "3acx"),
        ("{% if list contains 'b' %}in{% endif %}", "in"),
        ("{% if (number >= 3 and number <= 3) and number != 4 %}x{% endif %}", "x"),
    ],
)
def test_it_renders(template, wanted):
    """The template's output."""
    assert output(template) == wanted


def test_adobes_sample_gives_adobes_output():
    """White space too: a minus takes it away on its side, the line break behind a tag stays."""
    profile = {"identityMap": {"gaid": [{"id": "gaid-BLAcJ"}], "email": [{"id": "email-rbN62"}]}}
    assert output(SAMPLE, {"input": {"profile": profile}}) == SAMPLE_OUTPUT


def test_older_versions_leave_quotation_marks():
    """Of text in HTML only what begins or ends a tag is escaped."""
    assert output("{{ name }}", quotes=False) == 'O\'Neil "&lt;b&gt;" &amp; co'


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ name", "not closed"),
        ("{{ }}", "ends too early"),
        ("{{ name | shuffle }}", "filter shuffle"),
        ("{{ hasSegments(1) }}", "function hasSegments"),
        ("{% include 'x' %}", "include is not supported"),
        ("{% if yes %}", "endif is missing"),
        ("{% endfor %}", "endfor is not supported"),
        ("{{ name name }}", "unexpected 'name'"),
        ("{{ name ; }}", "unexpected ';'"),
        ("{% set 3 = 4 %}", "expected a name"),
        ("{{ list[0 }}", "expected ']'"),
        ("{{ name | upper(1, 2) }}", "does not take"),
        ("{{ name | escape('js') }}", "strategy js"),
    ],
)
def test_what_it_does_not_play_is_said(template, says):
    """An error that names it, and no output."""
    with pytest.raises(TemplateError, match=says.replace("[", r"\[").replace("]", r"\]")):
        output(template)


@pytest.mark.parametrize("quotes", [True, False])
@pytest.mark.parametrize("name", ['a "b"', "a\\b", "a\nb", "O'Neil", "<&>", "100 %+1", "顧客", ""])
def test_our_template_prints_json_whatever_a_name_holds(name, quotes):
    """Under both ways of escaping."""
    profile = {"attributes": {"x": {"value": name}}, "segmentMembership": {"u p": {"a&b": {"status": "realized"}}}}
    scope = {
        "input": {"profiles": [profile, profile]},
        "destination": {"namespaceSegmentAliases": {"u p": {"a&b": name}}},
    }
    printed = json.loads(output(TEMPLATE, scope, quotes=quotes))
    assert [one["profile"] for one in printed["profiles"]] == [profile, profile]
