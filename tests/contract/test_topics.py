"""Every topic of a gateway, built and taken apart again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.topics import ALL_TRANSACTIONS, SHARED_TRANSACTIONS, Topics, owner

slugs = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)


def every(topics: Topics) -> list[str]:
    return [
        topics.tx,
        topics.ack,
        topics.status,
        topics.state,
        topics.device("scale-1"),
        topics.station("bench-1"),
        topics.alert("disk-full"),
        topics.command("resend-recent"),
        topics.response("q-1"),
    ]


@given(slugs, slugs)
def test_every_topic_names_its_owner_and_fits_a_cloud_broker(site: str, gateway: str) -> None:
    for topic in every(Topics(site, gateway)):
        assert owner(topic) == (site, gateway)
        assert topic.count("/") < 7
        assert re.fullmatch(r"[a-z0-9/-]+", topic)


def test_topics_do_not_collide() -> None:
    found = every(Topics("north", "dock-1"))
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", ["", "+", "#", "North", "é", "a" * 33, "a\n"])
def test_a_name_that_is_no_slug_makes_no_topic(name: str) -> None:
    with pytest.raises(ValueError, match="a-z 0-9"):
        Topics(name, "dock-1")
    with pytest.raises(ValueError, match="a-z 0-9"):
        Topics("north", name)


@pytest.mark.parametrize(("site", "gateway"), [("a/b", "dock-1"), ("north", "a/b")])
def test_a_name_with_a_slash_makes_no_topic(site: str, gateway: str) -> None:
    with pytest.raises(ValueError, match="a-z 0-9"):
        Topics(site, gateway)


@pytest.mark.parametrize(
    "topic", ["", "scanpost/v1/north/dock-1", "scanpost/v2/a/b/tx", "x/scanpost/v1/a/b/tx"]
)
def test_a_topic_of_others_has_no_owner(topic: str) -> None:
    assert owner(topic) is None


def test_the_bridge_hears_every_gateway() -> None:
    assert ALL_TRANSACTIONS.replace("+/+", "north/dock-1") == Topics("north", "dock-1").tx
    assert f"$share/bridge/{ALL_TRANSACTIONS}" == SHARED_TRANSACTIONS
