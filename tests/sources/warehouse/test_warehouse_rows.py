"""Rows keep their values, have one key, and are told apart by their hash."""

import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import BridgeError
from bridge.settings import WarehouseSettings
from bridge.sources.warehouse.decoder import WarehouseDecoder
from bridge.sources.warehouse.keys import typed_keys
from bridge.sources.warehouse.rows import KEY_LONG, KEY_MISSING, Row, RowForm, key_text

UTC_ZONE = ZoneInfo("UTC")


def form(columns=("id", "value"), key=("id",), users=True, zone=UTC_ZONE, cursor=None) -> RowForm:
    """The form of rows of these columns."""
    return RowForm(list(columns), key=key, users=users, zone=zone, cursor=cursor)


def value_of(value, **how) -> object:
    """What a value leaves as."""
    row = form(**how).read(("a", value))
    assert isinstance(row, Row)
    return orjson.loads(row.value)["value"]


@pytest.mark.parametrize(
    ("given_value", "left"),
    [
        (2**63, 2**63),
        (2**64, str(2**64)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (Decimal("12.50"), 12.5),
        (Decimal("0.1"), 0.1),
        (Decimal("12345678901234567.89"), "12345678901234567.89"),
        (Decimal("1E+3"), 1000),
        (Decimal("NaN"), None),
        (float("inf"), None),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 8, tzinfo=UTC), "2026-01-31T08:00:00Z"),
        (datetime(2026, 1, 31, 8, 0, 0, 120000, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T06:00:00.120000Z"),
        (datetime(2026, 1, 31, 8), "2026-01-31T08:00:00Z"),
        (time(8, 30), "08:30:00"),
        (timedelta(hours=1, milliseconds=5), 3600.005),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (b"\x00\xff", "AP8="),
        (memoryview(b"a"), "YQ=="),
        ([1, Decimal("1.5"), None], [1, 1.5, None]),
        ({"a": {"b": 2**70}}, {"a": {"b": str(2**70)}}),
        ("half \ud83d a pair", "half ? a pair"),
        (True, True),
        (None, None),
    ],
)
def test_values(given_value, left):
    """Each type that databases give leaves as the table of the module says."""
    assert value_of(given_value) == left


def test_zone_of_timestamps():
    """A timestamp without a zone is taken in the zone of the settings."""
    assert value_of(datetime(2026, 7, 1, 8), zone=ZoneInfo("Europe/Berlin")) == "2026-07-01T06:00:00Z"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**18), max_value=10**18))
def test_decimals_are_exact(number):
    """A decimal that leaves, as number or as text, is the same number when it is read again."""
    row = form().read(("a", number))
    event = WarehouseDecoder(WarehouseSettings(key="id")).decode(row.value)[0]
    assert Decimal(str(event["value"])) == number


@given(st.integers())
def test_integers_are_exact(number):
    """So is an integer of any size."""
    row = form().read(("a", number))
    event = WarehouseDecoder(WarehouseSettings(key="id")).decode(row.value)[0]
    assert int(event["value"]) == number


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_rows_without_key(missing):
    """A row without a key is none."""
    assert form().read((missing, 1)) == KEY_MISSING


def test_part_of_a_key_is_missing():
    """Of a key of several columns none may be null."""
    both = form(key=("id", "value"))
    assert both.read(("a", None)) == KEY_MISSING
    assert both.read(("a", 1)).key == '["a","1"]'


def test_long_keys():
    """A key that no state can hold is refused, counted in bytes."""
    assert form().read(("x" * 513, 1)) == KEY_LONG
    assert form().read(("é" * 257, 1)) == KEY_LONG
    assert isinstance(form().read(("é" * 256, 1)), Row)


def test_hash_tells_rows_apart():
    """Equal values give one hash, any other value another."""
    rows = [form().read(("a", value)) for value in (1, 1, 2, "1", None)]
    assert rows[0].hash == rows[1].hash
    assert len({row.hash for row in rows}) == 4


def test_customer_of_a_user():
    """A user's customer id is the column of that name, else its key; an event's is never its key."""
    assert form().read((7, 1)).customer == "7"
    assert form(columns=("id", "customer_id")).read((7, "c")).customer == "c"
    assert form(users=False).read((7, 1)).customer is None


def test_columns_that_are_not_there():
    """Key and cursor name columns, in the spelling of the database or in another case."""
    assert form(columns=("ID", "value")).read((1, 2)).key == "1"
    with pytest.raises(BridgeError, match="there is no column nope") as caught:
        form(key=("nope",))
    assert "id, value" in caught.value.hint
    with pytest.raises(BridgeError, match="several columns are called id"):
        form(columns=("id", "id"))
    with pytest.raises(BridgeError, match="KEY is not set"):
        form(key=())


@pytest.mark.parametrize(
    "value", [7, "x", uuid.UUID(int=9), Decimal("4.50"), date(2026, 1, 2), b"ab", True, 2.5, datetime(2026, 1, 2, 3)]
)
def test_keys_as_text_and_back(value):
    """A key that was kept as text finds its row again."""
    assert typed_keys([key_text(value)], [value]) == [(value,)]


def test_keys_of_several_columns_and_back():
    """So does one of several columns; what cannot be of the column's type is left out."""
    key = form(columns=("id", "value"), key=("id", "value")).read((1, "b")).key
    assert typed_keys([key, '["x","y"]'], [1, "b"]) == [(1, "b")]


class TestDecoder:
    """Records become events."""

    def test_a_row_is_an_event(self):
        """Its columns are the event's paths; the key is the customer of a user."""
        decoder = WarehouseDecoder(WarehouseSettings(key="id"))
        assert decoder.decode(b'{"id":7,"plan":"gold"}') == ({"id": 7, "plan": "gold", "customer_id": "7"},)
        assert decoder.decode(b'{"ID":7}') == ({"ID": 7, "customer_id": "7"},)
        assert decoder.decode(b'{"id":7,"customer_id":null}') == ({"id": 7, "customer_id": None},)

    def test_an_event_is_not_its_key(self):
        """The key of an event identifies the event, nobody else."""
        decoder = WarehouseDecoder(WarehouseSettings(key="id", kind="events"))
        assert decoder.decode(b'{"id":7}') == ({"id": 7},)
        assert decoder.record_key({"id": 7}) == b"7"
        assert decoder.record_key({"id": 7, "customer_id": "c"}) == b"c"

    def test_what_is_no_row(self):
        """Others write to topics too."""
        decoder = WarehouseDecoder(WarehouseSettings(key="id"))
        assert decoder.decode(b"[1]")[0].code == "not_an_object"
        assert decoder.decode(b'{"id":12345678901234567890123}')[0]["id"] == "12345678901234567890123"
