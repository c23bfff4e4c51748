"""What ``aep-bridge check`` remarks on although it is allowed."""

from pathlib import Path

import pytest

from bridge.cli.check import _examples, _remarks
from bridge.destinations.aep.destination import check_settings, open_envelope
from bridge.model.errors import SettingsError
from bridge.model.verdicts import Rejected
from bridge.settings import Settings


def _settings(batch_bytes, payload="xdm"):
    return Settings(
        aep={
            "payload": payload,
            "batch_bytes": batch_bytes,
            "flow_id": "01234567-89ab-cdef-0123-456789abcdef",
            "org_id": "0123456789ABCDEF01234567@AdobeOrg",
            "schema_id": "https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
            "dataset_id": "0123456789abcdef01234567",
        }
    )


@pytest.mark.parametrize("payload", ["xdm", "raw"])
def test_requests_too_small_for_a_usual_event_are_told(payload):
    """The remark appears exactly where an event of 10,000 bytes no longer fits, envelope included."""
    event = {"a": "x" * (10_000 - len('{"a":""}'))}
    least = 10_000 + open_envelope(_settings(1_000_000, payload)).frame_bytes
    for batch_bytes, fits in ((1_000_000, True), (least, True), (least - 1, False), (1_000, False)):
        settings = _settings(batch_bytes, payload)
        assert isinstance(open_envelope(settings).encode(event), Rejected) is not fits
        remarks = list(_remarks(settings))
        assert len(remarks) == (not fits)
        if remarks:
            assert f"BRIDGE_AEP__BATCH_BYTES={batch_bytes} leaves " in remarks[0]
            assert "10,000" in remarks[0]
            assert "too_large" in remarks[0]
            assert "-" not in remarks[0].split("bytes for")[0]


def test_settings_that_are_still_the_example_are_named(tmp_path, monkeypatch):
    """.env.example copied as it stands is told setting by setting; an emulator may have the same ids."""
    example = (Path(__file__).resolve().parents[2] / ".env.example").read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert list(_examples(Settings())) == [
        "BRIDGE_MAPPING__TENANT",
        "BRIDGE_AEP__ENDPOINT",
        "BRIDGE_AEP__ORG_ID",
        "BRIDGE_AEP__SCHEMA_ID",
        "BRIDGE_AEP__DATASET_ID",
        "BRIDGE_AEP__FLOW_ID",
        "BRIDGE_OAUTH__CLIENT_ID",
        "BRIDGE_OAUTH__CLIENT_SECRET",
    ]
    monkeypatch.setenv("BRIDGE_AEP__ENDPOINT", "http://127.0.0.1:8099/collection/" + "0" * 64)
    assert list(_examples(Settings())) == []


def test_the_example_of_a_secret_is_refused_by_name(tmp_path, monkeypatch):
    """A worker does not start with the client secret that everybody knows."""
    example = (Path(__file__).resolve().parents[2] / ".env.example").read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="BRIDGE_OAUTH__CLIENT_SECRET is still the example"):
        check_settings(Settings())
