"""Composes the music on hold and the tones (ringing, of conferences …): `python -m lq.media.tts.hold_music`.

Twenty slow bars of our own: chords, an arpeggio and a few melody notes, all between 170 Hz and 3 kHz, which is what a
telephone carries. Notes that ring on at the end do so over the beginning, so that it can be repeated for ever.
"""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np

from lq.media.tts import shipped, sound
from lq.media.tts.sound import RATE, Samples

LEVEL_DBOV: Final = -22.0
BEAT: Final = 7200  # samples: 67 a minute
BAR: Final = 4 * BEAT

# A bar each: four notes from below, as MIDI numbers (60 is middle C).
C, AM, F, G = (55, 60, 64, 71), (57, 60, 64, 67), (53, 60, 65, 69), (55, 59, 62, 69)
EM, DM = (55, 59, 64, 71), (57, 60, 65, 69)
CHORDS: Final = (C, AM, F, G, C, EM, F, G, AM, EM, F, C, DM, G, EM, AM, F, G, C, C)
ARPEGGIO: Final = (0, 1, 2, 3, 2, 1, 3, 2)  # eighths: which note of the chord
# (beat, MIDI number, beats)
MELODY: Final = (
    (16, 76, 3), (19, 74, 1), (20, 71, 4), (24, 72, 2), (26, 69, 2), (28, 74, 4),
    (32, 76, 2), (34, 72, 2), (36, 79, 3), (39, 76, 1), (40, 77, 2), (42, 72, 2), (44, 76, 4),
    (48, 74, 2), (50, 77, 2), (52, 74, 4), (56, 71, 2), (58, 74, 2), (60, 72, 4),
    (64, 69, 2), (66, 72, 2), (68, 71, 4), (72, 72, 6),
)  # fmt: skip


def hold_music() -> Samples:
    """72 s, to be repeated."""
    track = np.zeros(len(CHORDS) * BAR)
    for bar, chord in enumerate(CHORDS):
        for note in chord:
            _add(track, bar * BAR, _pad(note, BAR), 0.10)
        for eighth, which in enumerate(ARPEGGIO):
            loudness = 0.17 if eighth in (0, 4) else 0.12
            _add(track, bar * BAR + eighth * BEAT // 2, _plucked(chord[which] + 12, 2 * BEAT), loudness)
    for beat, note, beats in MELODY:
        _add(track, beat * BEAT, _plucked(note, (beats + 1) * BEAT, softness=0.9), 0.30)
    level = 10 * np.log10((track**2).mean())
    music: Samples = track * 10 ** ((LEVEL_DBOV - level) / 20)
    return music


def _add(track: Samples, at: int, note: Samples, loudness: float) -> None:
    """Past the end it goes on at the beginning."""
    places = (at + np.arange(len(note))) % len(track)
    track[places] += loudness * note


def _hertz(note: int) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def _pad(note: int, length: int) -> Samples:
    """A soft organ: two voices a little apart; swells in, overlaps with the next bar."""
    ring = length + RATE
    t = np.arange(ring) / RATE
    tone = sum(np.sin(2 * np.pi * _hertz(note) * detune * t) for detune in (0.9985, 1.0015))
    swell = np.clip(t / 0.9, 0, 1) * np.clip((ring / RATE - t) / 1.0, 0, 1)
    out: Samples = tone / 2 * np.sin(np.pi / 2 * swell) ** 2
    return out


def _plucked(note: int, length: int, softness: float = 0.6) -> Samples:
    """Something like an electric piano: the harmonics die away first."""
    t = np.arange(length) / RATE
    hertz = _hertz(note)
    tone = np.zeros(length)
    for harmonic, loudness in ((1, 1.0), (2, 0.35), (3, 0.12)):
        if harmonic * hertz < 3000:
            tone += loudness * np.sin(2 * np.pi * harmonic * hertz * t) * np.exp(-t * harmonic / softness)
    attack = np.clip(t / 0.012, 0, 1)
    end = np.clip((length / RATE - t) / 0.05, 0, 1)
    return tone * attack * end


def beep() -> Samples:
    """What a caller hears before he leaves a message: 1 kHz, 0.4 s."""
    t = np.arange(RATE * 2 // 5) / RATE
    edge = np.clip(np.minimum(t, t[-1] - t) / 0.01, 0, 1)
    tone: Samples = 10 ** (sound.SPEECH_DBOV / 20) * np.sqrt(2) * np.sin(2 * np.pi * 1000 * t) * edge
    return tone


def ringback() -> Samples:
    """That a phone rings: 450 Hz, 1 s on and 4 s off (YD/T 1332, GB/T 3380)."""
    t = np.arange(RATE) / RATE
    edge = np.clip(np.minimum(t, t[-1] - t) / 0.01, 0, 1)
    tone = 10 ** (sound.SPEECH_DBOV / 20) * np.sqrt(2) * np.sin(2 * np.pi * 450 * t) * edge
    whole: Samples = np.concatenate([tone, np.zeros(4 * RATE)])
    return whole


def comes() -> Samples:
    """That somebody has joined a conference: two notes upwards, 0.3 s, softer than speech."""
    return _two_notes(490, 590)


def leaves() -> Samples:
    """… or has left it: downwards."""
    return _two_notes(590, 490)


def _two_notes(*hertz: float) -> Samples:
    t = np.arange(RATE * 3 // 20) / RATE
    edge = np.clip(np.minimum(t, t[-1] - t) / 0.02, 0, 1)
    loudness = 10 ** ((sound.SPEECH_DBOV - 6) / 20) * np.sqrt(2)
    both: Samples = np.concatenate([loudness * np.sin(2 * np.pi * each * t) * edge for each in hertz])
    return both


def main() -> None:
    entries: dict[str, dict[str, Any]] = json.loads(shipped.TEXTS.read_text("utf-8"))
    tones = {"beep": beep(), "ringback": ringback(), "joined": comes(), "left": leaves()}
    made = {"music/hold": hold_music()} | {f"tones/{name}": samples for name, samples in tones.items()}
    for item, samples in made.items():
        entries.setdefault(item, {"text": "", "voice": ""})
        shipped.write(entries, item, sound.encode(samples))


if __name__ == "__main__":
    main()
