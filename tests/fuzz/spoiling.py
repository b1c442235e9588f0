"""What wires, people and enemies do to good bytes: cut, double, lose, flip, swap, fill."""

from random import Random


def spoilt(r: Random, data: bytes) -> bytes:
    """Return `data` with one thing done to it."""
    at, to = sorted((r.randint(0, len(data)), r.randint(0, len(data))))
    match r.randrange(10):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            return data[:at] + data[to:]
        case 3:
            return data[:to] + data[at:]
        case 4:
            return data[:at] + r.randbytes(r.randint(1, 12)) + data[at:]
        case 5 | 6 if data:
            at = r.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1 << r.randrange(8)]) + data[at + 1 :]
        case 7 if data:
            at = r.randrange(len(data))
            return data[:at] + r.choice(b"0123456789 +-.,").to_bytes() + data[at + 1 :]
        case 8:
            return data[to:] + data[at:to] + data[:at]
        case _:
            return data[:at] + r.randbytes(1) * r.choice((1, 2, 70, 300)) + data[at:]


def torn(r: Random, data: bytes) -> list[bytes]:
    """Return `data` in pieces, as reads bring them."""
    if r.random() < 0.1:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(r.randint(0, len(data)) for _ in range(r.randint(1, 6)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
