"""The four signals as sound: short and high, low and double, rising, a soft tick."""

import io
import math
import struct
import wave
from functools import cache

from gateway.stations.job import SignalKind

RATE = 22_050  # samples a second: enough for tones below 2 kHz
_EDGE = 0.005  # seconds to swell and fade, so that a loudspeaker does not click

# (Hz, seconds, loudness from 0 to 1); 0 Hz is a pause. The same tones as on the screen.
_TONES: dict[SignalKind, tuple[tuple[float, float, float], ...]] = {
    "ok": ((1760, 0.12, 0.5),),
    "not_ok": ((196, 0.25, 0.9), (0, 0.07, 0), (147, 0.45, 0.9)),
    "attention": ((587, 0.14, 0.7), (784, 0.14, 0.7), (1175, 0.2, 0.7)),
    "ignored": ((420, 0.03, 0.15),),
}


@cache
def sound(kind: SignalKind) -> bytes:
    """Return a signal as a WAV file: mono, 16 bit, `RATE` samples a second."""
    frames = bytearray()
    for pitch, seconds, loud in _TONES[kind]:
        count = int(seconds * RATE)
        for number in range(count):
            edge = min(1.0, number / RATE / _EDGE, (count - number) / RATE / _EDGE)
            value = loud * edge * math.sin(2 * math.pi * pitch * number / RATE)
            frames += struct.pack("<h", int(32767 * value))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(bytes(frames))
    return file.getvalue()


def seconds(kind: SignalKind) -> float:
    """Return how long a signal sounds."""
    return sum(long for _, long, _ in _TONES[kind])
