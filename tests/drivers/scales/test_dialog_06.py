from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Refusal, Send, Step, Weight
from drivers.simulators.dialog_06 import Dialog06Simulator
from tests.drivers.agreement import read, said, told, weight
from tests.drivers.conversation import dialogue, talking
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("dialog_06"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("dialog_06", record) == record["expect"]


def steps(data: bytes, **settings: Any) -> list[Step]:
    return dialogue("dialog_06", **settings).decoder.feed(data)


def test_the_price_is_the_question_and_the_rest_are_answers() -> None:
    talk = dialogue("dialog_06")
    assert talk.ask == b"\x04\x0201\x1b000001\x1b\x03"
    assert dialogue("dialog_06", price=199, tare=250).ask == b"\x04\x0203\x1b000199\x1b0250\x03"
    assert talk.decoder.feed(b"\x06") == [Send(b"\x04\x05")]
    assert talk.decoder.feed(b"\x15") == [Refusal("NAK", b"\x15"), Send(b"\x04\x0208\x03")]
    [moving] = talk.decoder.feed(b"\x0209\x1b20\x03")
    assert isinstance(moving, Weight)
    assert moving.stable is False


def test_a_scale_that_refuses_the_question_why_is_not_asked_again() -> None:
    assert steps(b"\x15\x15")[1:] == [Send(b"\x04\x0208\x03"), Refusal("NAK", b"\x15")]


def test_a_scale_that_says_ack_to_everything_does_not_make_it_go_round() -> None:
    said = steps(b"\x06" * 100)
    assert sum(isinstance(step, Send) for step in said) == 50
    assert sum(isinstance(step, Noise) for step in said) == 50


def test_the_quiet_ends_what_was_being_asked() -> None:
    decoder = dialogue("dialog_06").decoder
    decoder.feed(b"\x06")
    decoder.quiet()
    assert decoder.feed(b"\x06") == [Send(b"\x04\x05")]


def test_with_a_tare_the_weight_is_net() -> None:
    record = bytes.fromhex(records("dialog_06")[0]["hex"])
    assert weight("dialog_06", record, tare=250).measure == "net"


@pytest.mark.parametrize(
    "record",
    [b"\x0202\x1b3\x1b0125\x1b000001\x1b000001\x03",
     b"\x0202\x1b4\x1b01250\x1b000001\x1b000001\x03",
     b"\x0202\x1b3\x1b 1250\x1b000001\x1b000001\x03", b"\x0213\x03", b"\x02" + b"0" * 60 + b"\x03"],
)  # fmt: skip
def test_what_is_no_record_is_noise(record: bytes) -> None:
    said = read("dialog_06", record)
    assert said
    assert all(isinstance(step, Noise) for step in said)


def test_pounds_and_ounces_are_refused() -> None:
    [step] = read("dialog_06", b"\x0202\x1b0\x1b01250\x1b000001\x1b000001\x03")
    assert isinstance(step, Refusal)


@given(st.decimals(min_value="0.001", max_value="99.999", places=3))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal) -> None:
    step = weight("dialog_06", Dialog06Simulator(load=load).answer(b"\x04\x05"))
    assert (step.value, step.unit, step.stable) == (load, "kg", True)


@pytest.mark.parametrize(
    ("load", "trouble", "code"),
    [("1.250", "moving", b"20"), ("0", "", b"30"), ("-0.5", "", b"31"), ("1.250", "over", b"32")],
)
def test_the_simulator_says_why_it_does_not_weigh(load: str, trouble: str, code: bytes) -> None:
    scale = Dialog06Simulator(load=Decimal(load))
    scale.moving = trouble == "moving"
    scale.range = "over" if trouble == "over" else "ok"
    assert scale.answer(b"\x04\x05\x04\x0208\x03") == b"\x15\x0209\x1b" + code + b"\x03"


async def test_one_load_after_the_other_arrives_through_a_cable() -> None:
    scale = Dialog06Simulator(load=Decimal("1.250"))
    async with scale, talking(scale.url, dialogue("dialog_06", every=0.1)) as heard:
        await heard.expect(lambda reading: told(reading).get("weight") == "1.250")
        await heard.expect(lambda reading: told(reading) == {"reply": "the same load as before"})
        await scale.take("0")
        await heard.expect(lambda reading: told(reading).get("zero") is True)
        await scale.take("0.316")
        await heard.expect(lambda reading: told(reading).get("weight") == "0.316")
    assert b"\x04\x0208\x03" in scale.heard


async def test_a_verified_scale_is_recognised_and_cannot_be_used() -> None:
    scale = Dialog06Simulator(load=Decimal("1.250"))
    scale.verified = True
    async with scale, talking(scale.url, dialogue("dialog_06", every=0.1)) as heard:
        refused = await heard.expect(lambda reading: isinstance(reading, Refusal))
        assert told(refused)["refusal"].startswith("11")
    assert not [reading for reading in heard.readings if isinstance(reading, Weight)]
