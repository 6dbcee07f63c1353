"""The B channels of E1 spans: each is seized once, released once, and counted. Pure.

A span carries 30 B channels in timeslots 1–15 and 17–31; 0 is for framing, 16 for signalling (ITU-T G.704, Q.931).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.simulator.causes import NO_CHANNEL, OUT_OF_ORDER

TIMESLOTS: Final = (*range(1, 16), *range(17, 32))

State = Literal["idle", "seized", "talking", "releasing", "blocking", "blocked"]
STATES: Final[tuple[State, ...]] = (
    "idle",
    "seized",  # a call has it, nobody has answered yet
    "talking",
    "releasing",  # one side has hung up, the other has not said so yet
    "blocking",  # its span failed while a call had it: no call may have it after this one
    "blocked",  # its span is out of order
)
Event = Literal["seize", "answer", "hang_up", "release", "fail", "repair"]
EVENTS: Final[tuple[Event, ...]] = (
    "seize",  # a call takes it
    "answer",
    "hang_up",  # by either side
    "release",  # the call is over for both sides
    "fail",  # the span is out of order
    "repair",  # the span is in order again
)
# What is missing here cannot happen to a channel; whoever tries has lost count of it.
TABLE: Final[Mapping[State, Mapping[Event, State]]] = {
    "idle": {"seize": "seized", "fail": "blocked", "repair": "idle"},
    "seized": {"answer": "talking", "hang_up": "releasing", "release": "idle", "fail": "blocking"},
    "talking": {"hang_up": "releasing", "release": "idle", "fail": "blocking"},
    "releasing": {"release": "idle", "fail": "blocking", "hang_up": "releasing"},  # both sides may hang up at once
    "blocking": {"hang_up": "blocking", "release": "blocked", "fail": "blocking", "repair": "releasing"},
    "blocked": {"repair": "idle", "fail": "blocked"},
}


class ImpossibleEvent(Exception):
    """An event that this channel's state does not know: a fault of the gateway's book-keeping."""


@dataclass(slots=True)
class Channel:
    span: int
    timeslot: int
    state: State = "idle"
    seized: int = 0  # how often, over its life
    released: int = 0

    def happened(self, event: Event) -> None:
        """Raises ImpossibleEvent and leaves the channel as it is."""
        following = TABLE[self.state].get(event)
        if following is None:
            raise ImpossibleEvent(f"channel {self.span}/{self.timeslot} is {self.state}: {event}")
        self.state = following
        self.seized += event == "seize"
        self.released += event == "release"


class NoChannel(Exception):
    """No channel for another call; `cause` says why in Q.850."""

    def __init__(self, cause: int) -> None:
        super().__init__(f"no channel, cause {cause}")
        self.cause = cause


@dataclass(slots=True)
class Spans:
    """All channels of one gateway."""

    count: int = 2
    channels: tuple[Channel, ...] = ()
    refused: Counter[int] = field(default_factory=Counter)  # cause -> calls that found no channel

    def __post_init__(self) -> None:
        self.channels = tuple(Channel(span, slot) for span in range(1, self.count + 1) for slot in TIMESLOTS)

    def __iter__(self) -> Iterator[Channel]:
        return iter(self.channels)

    def seize(self) -> Channel:
        """The first idle channel. Raises NoChannel: 27 when every span is out of order, else 34."""
        for channel in self.channels:
            if channel.state == "idle":
                channel.happened("seize")
                return channel
        down = all(channel.state in ("blocked", "blocking") for channel in self.channels)
        cause = OUT_OF_ORDER if down else NO_CHANNEL
        self.refused[cause] += 1
        raise NoChannel(cause)

    def fail(self, span: int) -> list[Channel]:
        """The span is out of order; returns its channels that have a call, which is lost with it."""
        own = [channel for channel in self.channels if channel.span == span]
        for channel in own:
            channel.happened("fail")
        return [channel for channel in own if channel.state == "blocking"]

    def repair(self, span: int) -> None:
        for channel in self.channels:
            if channel.span == span:
                channel.happened("repair")

    @property
    def busy(self) -> int:
        return sum(channel.state not in ("idle", "blocked") for channel in self.channels)

    @property
    def seized(self) -> int:
        return sum(channel.seized for channel in self.channels)

    @property
    def released(self) -> int:
        return sum(channel.released for channel in self.channels)
