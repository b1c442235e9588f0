"""The PIN: what is written down does not tell it, and guessing it takes longer than a shift."""

from gateway.web.pin import Door, hashed, holds


class Hours:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_same_pin_is_written_down_in_another_way_each_time() -> None:
    one, two = hashed("4711"), hashed("4711")
    assert one != two
    assert "4711" not in one
    assert holds("4711", one)
    assert holds("4711", two)
    assert not holds("4712", one)


def test_a_broken_hash_lets_nobody_in() -> None:
    for broken in ("", "scrypt", "scrypt$16384$8$1$!$!", "scrypt$x$8$1$AAAA$AAAA", "a$b$c$d$e$f"):
        assert not holds("4711", broken)


def test_waiting_grows_with_each_wrong_try_and_ends_with_a_right_one() -> None:
    hours = Hours()
    door = Door(hours)
    for _ in range(4):
        door.wrong()
    assert door.wait == 0
    waits = []
    for _ in range(8):
        door.wrong()
        waits.append(door.wait)
    assert waits[:5] == [30, 60, 120, 240, 480]
    assert waits[-1] == 900
    hours.now += 900
    assert door.wait == 0
    door.right()
    door.wrong()
    assert door.wait == 0


def test_a_session_ends_when_nobody_uses_it_and_with_the_shift() -> None:
    hours = Hours()
    door = Door(hours)
    idle, busy, left = door.right(), door.right(), door.right()
    door.leave(left)
    assert not door.knows(left)
    assert not door.knows(None)
    assert not door.knows("")
    for _ in range(40):
        hours.now += 700
        assert door.knows(busy)
    assert not door.knows(idle)
    hours.now += 850
    assert not door.knows(busy)


def test_sessions_are_few() -> None:
    door = Door(Hours())
    tokens = [door.right() for _ in range(20)]
    assert [door.knows(token) for token in tokens] == [False] * 4 + [True] * 16
