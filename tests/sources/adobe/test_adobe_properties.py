"""Whatever Adobe, or anybody, posts: nothing raises, and any spelling of a profile gives the same canonical one."""

import html
from datetime import UTC, datetime, timedelta

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import NotJson
from bridge.model.event import ANY, LeftOut, Refusal
from bridge.settings import AdobeSettings
from bridge.sources.adobe.decoder import AdobeDecoder

NOW = 1_793_607_331_000_000
DECODERS = [
    AdobeDecoder(AdobeSettings(several_ids=several), anonymous=anonymous, now=lambda: NOW * 1000)
    for several in ("reject", "first", "each")
    for anonymous in (False, True)
]
_WORDS = st.sampled_from(
    [
        "user_id",
        "USER_ID",
        "ecid",
        "id",
        "type",
        "value",
        "status",
        "realized",
        "exited",
        "name",
        "profile",
        "event",
        "add",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | _WORDS, inner, max_size=3),
    max_leaves=12,
)
_MEMBERS = [
    "profiles",
    "profile",
    "names",
    "attributes",
    "events",
    "identityMap",
    "identities",
    "segmentMembership",
    "AEPSegments",
    "AdobeExperiencePlatformSegments",
    "external_id",
    "customer",
    "customer_id",
    "name",
    "event",
    "actions",
    "kind",
    "received_at",
    "audiences",
    "time",
]
_MESSAGE = st.dictionaries(st.sampled_from(_MEMBERS), _JSON, max_size=6)
_MEMBERSHIP = st.fixed_dictionaries(
    {}, optional={"status": _WORDS | _JSON, "lastQualificationTime": _JSON, "name": st.text(max_size=4) | _JSON}
)
_PROFILE = st.fixed_dictionaries(
    {"identityMap": st.dictionaries(_WORDS, st.lists(st.fixed_dictionaries({"id": _JSON}), max_size=3), max_size=3)},
    optional={
        "segmentMembership": st.dictionaries(_WORDS, st.dictionaries(_WORDS, _MEMBERSHIP, max_size=2), max_size=2)
    },
)


@given(document=st.lists(_MESSAGE | _PROFILE, max_size=3) | _MESSAGE | _PROFILE | _JSON)
def test_any_json_is_events_refusals_or_left_out(document):
    """The weight bounds the number, every event can be written and read back as itself, and a dead letter gives its event again."""
    for decoder in DECODERS:
        found = decoder.events_of(document, ANY)
        weight = decoder.weigh(document)
        assert len(found) <= (weight.events if weight else 1)
        for index, each in enumerate(found):
            assert isinstance(each, dict | Refusal | LeftOut)
            alone = decoder.isolate(document, index)
            assert each in decoder.events_of(alone, ANY)
            if isinstance(each, dict):
                assert list(decoder.decode(orjson.dumps(each))) == [each]
                assert decoder.record_key(each) is None or decoder.record_key(each)


@given(body=st.binary(max_size=200) | _JSON.map(orjson.dumps))
def test_any_bytes_are_read_or_refused(body):
    """A body is read, or it is no JSON; nothing else is raised."""
    decoder = DECODERS[0]
    try:
        document = decoder.parse_body(body)
    except NotJson:
        return
    decoder.events_of(document, ANY)


_IDS = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)
_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
_MOMENTS = st.integers(1_500_000_000_000_000, 1_800_000_000_000_000)


def _written(moment, form):
    """An instant in one of the forms that Adobe's samples have."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)
    if form == 0:
        return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if form == 1:
        return at.strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
    return at.isoformat()


@given(
    customer=_IDS,
    first_name=_NAMES,
    tier=_NAMES,
    audiences=st.dictionaries(_IDS, st.tuples(_NAMES, st.booleans(), _MOMENTS), min_size=1, max_size=4),
    spelling=st.sampled_from(["user_id", "User_Id", "USER_ID"]),
    form=st.integers(0, 2),
    numeric=st.booleans(),
)
def test_any_spelling_is_one_canonical_profile(*, customer, first_name, tier, audiences, spelling, form, numeric):
    """Raw profile, our template and its bare profile, in any case of namespaces and any form of times, are equal."""
    decoder = DECODERS[0]
    first_name, tier = first_name.strip(), tier.strip()

    def members(*, named):
        return {
            "ups": {
                audience: {
                    "status": ("existing" if numeric else "realized") if member else "exited",
                    "lastQualificationTime": _written(moment, form),
                    **({"name": name} if named else {}),
                }
                for audience, (name, member, moment) in audiences.items()
            }
        }

    identity = {spelling: [{"id": customer}], "ECID" if numeric else "ecid": [{"id": "1"}]}
    raw = {
        "person": {"name": {"firstName": first_name}},
        "identityMap": identity,
        "segmentMembership": members(named=True),
        "attributes": {"tier": tier},
    }
    names = {"ups": {audience: html.escape(name) for audience, (name, _, _) in audiences.items()}}
    wrapped = {
        "profile": {
            "attributes": {"firstName": {"value": first_name}, "tier": {"value": tier}, "absent": {}},
            "identityMap": identity,
            "segmentMembership": members(named=False),
        },
        "names": names,
    }
    bare = {
        "attributes": {"person.name.firstName": first_name, "tier": tier, "absent": None},
        "identities": [{"type": spelling, "id": customer}, {"type": "ecid", "id": "1"}],
        "segmentMembership": members(named=True),
    }
    expected = {
        "kind": "profile",
        "customer_id": customer,
        "received_at": NOW,
        "identities": {"user_id": [customer], "ecid": ["1"]},
        "person": {"name": {"firstName": first_name}},
        "attributes": {"tier": tier},
        "audiences": [
            {"namespace": "ups", "id": audience, "name": name, "status": "member" if member else "exited", "at": moment}
            for audience, (name, member, moment) in audiences.items()
        ],
    }
    for document in (raw, wrapped, {"profiles": [wrapped]}, [bare]):
        assert list(decoder.events_of(orjson.loads(orjson.dumps(document)), ANY)) == [expected]
