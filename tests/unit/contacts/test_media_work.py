"""In which order a turn's media work is done."""

from __future__ import annotations

from lq.contacts import effects as do
from lq.contacts.media_work import Together, in_order


def test_legs_are_deleted_last() -> None:
    assert in_order([do.DeleteMedia(1), do.Connect(2, 3)]) == [do.Connect(2, 3), do.DeleteMedia(1)]


def test_but_first_what_is_made_anew() -> None:
    """A phone that is called once more as the same leg: the node that rang it is dead."""
    assert in_order([do.DeleteMedia(1), do.PrepareOutgoing(1)]) == [do.DeleteMedia(1), do.PrepareOutgoing(1)]


def test_who_goes_to_the_mixer_goes_with_the_others() -> None:
    music, prompt = do.StartPlay(1, "p1", ("music",), 0), do.StartPlay(2, "p2", ("hello",), 1)
    assert in_order([music, do.Park(3), prompt]) == [Together((music, do.Park(3))), prompt]
