"""What the recorder does piece by piece, for a whole recording at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from recorder.pcap import CHUNK, BadPcap, Capture, RtpPacket
from recorder.voices import Assembler, Voices


def rtp_packets(data: bytes) -> Iterator[RtpPacket]:
    """All RTP packets in the order of capture; a cut tail ends them. Raises BadPcap on a bad file header."""
    capture = Capture()
    for at in range(0, len(data), CHUNK):
        yield from capture.feed(data[at : at + CHUNK])
    if not capture.begun:
        raise BadPcap("shorter than its header")


def assemble(packets: Iterable[RtpPacket], left: int, right: int, codecs: Mapping[int, str] | None = None) -> Voices:
    """Stereo of the two ports: left is what the party said, right what it heard. No packet at all: no samples."""
    assembler = Assembler()
    assembler.part(left, right, codecs)
    for packet in packets:
        assembler.feed(packet)
    return assembler.voices()
