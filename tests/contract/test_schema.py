"""The published schemas say what the models say, and accept what really travels."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from contract import schema
from contract.commands import Place, Response, command_adapter
from contract.envelope import Ack, Rejected, envelope_adapter
from contract.reference import Ask, Change, ItemRecord, Newest, Pack, Page
from contract.topics import Topics

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "envelope-v1.json").read_text("utf-8"))


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((schema.SCHEMAS / name).read_text("utf-8"))
    return document


def faults(name: str, value: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(load(name)).iter_errors(value)]


def test_the_files_are_what_the_models_say() -> None:
    assert schema.stale() == []


def test_a_stale_a_missing_and_a_left_over_file_are_found(tmp_path: Path) -> None:
    schema.write(tmp_path)
    assert schema.stale(tmp_path) == []
    (tmp_path / "ack.json").write_text("{}")
    (tmp_path / "envelope.json").unlink()
    (tmp_path / "old.json").write_text("{}")
    assert schema.stale(tmp_path) == ["ack.json", "envelope.json", "old.json"]


def test_check_and_write_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main(["--check"]) == 0
    with pytest.raises(SystemExit):
        schema.main([])
    assert "required" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        *("transactions.json", "envelope.json", "ack.json", "command.json", "response.json"),
        *("newest.json", "ask.json", "page.json"),
    ],
)
def test_a_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(load(name))


def test_what_travels_fits_its_schema() -> None:
    envelope_adapter.validate_python(GOLDEN)
    assert faults("envelope.json", GOLDEN) == []
    assert faults("transactions.json", GOLDEN["data"]) == []


def test_a_broken_transaction_does_not_fit() -> None:
    broken = json.loads(json.dumps(GOLDEN))
    broken["data"]["rows"][0]["transaction"]["event"]["lines"][0]["quantity"]["value"] = 12
    assert faults("envelope.json", broken)
    assert faults("transactions.json", broken["data"])
    unknown = json.loads(json.dumps(GOLDEN))
    unknown["data"]["rows"][0]["transaction"]["event"]["type"] = "teleport"
    assert faults("envelope.json", unknown)


def test_the_word_of_the_bridge_fits_its_schema() -> None:
    ack = Ack(
        epoch=UUID(int=1),
        upto=5,
        posted=4,
        rejected=(Rejected(seq=3, code="unknown_sku", text="no such item"),),
    )
    assert faults("ack.json", ack.model_dump(mode="json")) == []
    assert faults("ack.json", {"upto": -1})


def test_a_command_and_its_answer_fit_their_schemas() -> None:
    asked = command_adapter.validate_python({"command": "where", "cid": "q-1", "seq": 5})
    assert faults("command.json", asked.model_dump(mode="json", exclude_none=True)) == []
    assert faults("command.json", {"command": "restart", "cid": "q-1"})
    place = Place(
        epoch=UUID(int=1), seq=5, state="rejected", code="unknown_sku", why="no such item"
    )
    answer = Response(cid="q-1", command="where", place=place)
    assert faults("response.json", answer.model_dump(mode="json", exclude_none=True)) == []
    assert faults("response.json", {"cid": "Q 1", "command": "where"})


def test_reference_data_fits_its_schemas() -> None:
    item = ItemRecord(
        sku="BOLT-8", packs=(Pack(gtin="04012345678901", quantity="10"),), weight_g="12.5"
    )
    page = Page(
        set="a",
        after=3,
        upto=5,
        newest=5,
        epoch=UUID(int=1),
        includes=7,
        changes=(
            Change(kind="item", key="BOLT-8", record=item),
            Change(kind="document", key="PO-1"),
        ),
    )
    assert faults("page.json", page.model_dump(mode="json")) == []
    assert faults("page.json", {"set": "a", "after": -1, "upto": 5, "newest": 5})
    assert faults("newest.json", Newest(set="a", version=5).model_dump(mode="json")) == []
    assert faults("ask.json", Ask().model_dump(mode="json")) == []
    assert faults("ask.json", {"since": 3})


def test_asyncapi_names_every_topic_with_its_delivery() -> None:
    document = load("asyncapi.json")
    assert document["asyncapi"] == "3.0.0"
    addresses = {channel["address"] for channel in document["channels"].values()}
    topics = Topics("site", "gateway")
    built = [
        topics.tx,
        topics.ack,
        topics.status,
        topics.state,
        topics.device("{device}"),
        topics.station("{station}"),
        topics.alert("{code}"),
        topics.command("{command}"),
        topics.response("{cid}"),
        topics.newest,
        topics.ask,
        topics.page,
    ]
    assert {t.replace("/site/gateway/", "/{site}/{gateway}/") for t in built} <= addresses
    binding = {name: op["bindings"]["mqtt"] for name, op in document["operations"].items()}
    assert (binding["tx"]["qos"], binding["tx"]["retain"]) == (1, False)
    assert (binding["ack"]["qos"], binding["ack"]["retain"]) == (1, True)
    assert document["operations"]["ack"]["action"] == "receive"
    assert document["operations"]["tx"]["action"] == "send"
    assert document["operations"]["command"]["action"] == "receive"
    assert document["operations"]["response"]["action"] == "send"
    assert (binding["command"]["qos"], binding["command"]["retain"]) == (1, False)
    assert document["components"]["messages"]["command"]["payload"] == {"$ref": "./command.json"}
    assert (binding["newest"]["qos"], binding["newest"]["retain"]) == (1, True)
    assert (binding["page"]["qos"], binding["page"]["retain"]) == (1, False)
    actions = {name: operation["action"] for name, operation in document["operations"].items()}
    assert actions["newest"] == actions["page"] == "receive"
    assert actions["ask"] == "send"
    assert document["components"]["messages"]["page"]["payload"] == {"$ref": "./page.json"}


def test_every_reference_in_asyncapi_leads_somewhere() -> None:
    document = load("asyncapi.json")

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [found for child in node.values() for found in references(child)]
        if isinstance(node, list):
            return [found for child in node for found in references(child)]
        return []

    for reference in references(document):
        if reference.startswith("./"):
            assert (schema.SCHEMAS / reference).is_file()
            continue
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_a_schema_says_no_more_than_the_models_at_any_time() -> None:
    envelope = {**GOLDEN, "time": datetime(2026, 1, 1, tzinfo=UTC).isoformat()}
    assert faults("envelope.json", envelope) == []
    assert faults("envelope.json", {**envelope, "surprise": True})
