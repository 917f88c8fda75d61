from __future__ import annotations

import copy
import json
from types import MappingProxyType
from typing import Any

import pytest

from decision_schema import PacketV2, get_current_version

KEYS = [
    "run_id",
    "step",
    "input",
    "external",
    "mdm",
    "final_action",
    "latency_ms",
    "mismatch",
    "schema_version",
]


@pytest.fixture
def data() -> dict[str, Any]:
    return {
        "run_id": "run",
        "step": 7,
        "input": {"entity": "UA", "delay": {"dep": 4.0}},
        "external": {"now_ms": 1000},
        "mdm": {"action": "ACT", "confidence": 0.9},
        "final_action": {"action": "HOLD", "allowed": False},
        "latency_ms": 1,
        "mismatch": {"flags": ["staleness"], "reason_codes": ["stale"]},
        "schema_version": "0.1.0",
    }


class TestPacketV2:
    def test_defaults(self) -> None:
        """A packet without a mismatch has none, and the version is the current one."""
        packet = PacketV2("run", 0, {}, {}, {}, {}, 1)

        assert packet.mismatch is None
        assert get_current_version() == packet.schema_version


class TestToDict:
    def test_nine_keys(self, data: dict[str, Any]) -> None:
        """It gives exactly the nine keys in the order of the format, whatever order they came in."""
        packet = PacketV2.from_dict(dict(reversed(data.items())))

        assert KEYS == list(packet.to_dict())

    def test_values(self, data: dict[str, Any]) -> None:
        """Each key has the value of its field."""
        assert data == PacketV2(**data).to_dict()

    def test_new_dict(self, data: dict[str, Any]) -> None:
        """The dict is new each time, so that a key changed in it does not reach the packet."""
        packet = PacketV2(**data)

        packet.to_dict()["step"] = 8

        assert data == packet.to_dict()

    def test_shallow(self, data: dict[str, Any]) -> None:
        """The values are the packet's own, not copies."""
        packet = PacketV2(**data)

        assert packet.input is packet.to_dict()["input"]

    def test_json(self, data: dict[str, Any]) -> None:
        """A packet survives the way through JSON."""
        packet = PacketV2(**data)

        assert packet == PacketV2.from_dict(json.loads(json.dumps(packet.to_dict())))


class TestFromDict:
    def test_keeps_input(self, data: dict[str, Any]) -> None:
        """The dict that it is given is the same afterwards, with and without a version in it."""
        without_version = {key: value for key, value in data.items() if key != "schema_version"}
        before = copy.deepcopy((data, without_version))

        PacketV2.from_dict(data)
        PacketV2.from_dict(without_version)

        assert before == (data, without_version)

    def test_read_only_mapping(self, data: dict[str, Any]) -> None:
        """Any mapping will do, one that cannot be changed included."""
        assert PacketV2(**data) == PacketV2.from_dict(MappingProxyType(data))

    def test_without_version(self, data: dict[str, Any]) -> None:
        """A packet without a version gets the current one."""
        del data["schema_version"]

        assert get_current_version() == PacketV2.from_dict(data).schema_version

    def test_keeps_version(self, data: dict[str, Any]) -> None:
        """A packet keeps the version that it was written with."""
        assert "0.1.0" == PacketV2.from_dict(data).schema_version

    @pytest.mark.parametrize("key", [key for key in KEYS if key != "schema_version"])
    def test_missing_key(self, data: dict[str, Any], key: str) -> None:
        """Each of the other eight keys is needed, and the error names the one that is missing."""
        del data[key]

        with pytest.raises(ValueError, match=r"^not a packet") as caught:
            PacketV2.from_dict(data)

        assert f"not a packet: missing keys {key!r}" == str(caught.value)

    def test_names_all(self, data: dict[str, Any]) -> None:
        """The error names all keys that are missing and all that are unknown at once."""
        del data["step"], data["mdm"], data["schema_version"]
        unknown: Any = {"extra": 1, 5: 2}

        with pytest.raises(ValueError, match=r"^not a packet") as caught:
            PacketV2.from_dict(data | unknown)

        assert "not a packet: missing keys 'step', 'mdm'; unknown keys 'extra', 5" == str(caught.value)

    def test_no_mapping(self) -> None:
        """Something that is no mapping is refused by its type."""
        not_a_mapping: Any = ["run_id"]

        with pytest.raises(TypeError, match=r"^a packet must be a mapping, not 'list'$"):
            PacketV2.from_dict(not_a_mapping)
