"""What one program may have at the same time, and what is always left for the house."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from lq.api import shares
from lq.api.access import HOUSE
from lq.api.errors import Refusal
from lq.api.shares import Share


def refused(share: Share, token: str) -> int:
    with pytest.raises(Refusal) as refusal, share.one(token):
        pass
    return refusal.value.status


def test_a_program_has_its_share_all_programs_theirs_and_the_house_the_rest() -> None:
    share = Share("x", each=2, others=3, all=5)
    with ExitStack() as held:
        for token in ("a", "a"):
            held.enter_context(share.one(token))
        assert refused(share, "a") == 429
        with share.one("b"):
            assert refused(share, "b") == 503 and refused(share, "") == 503
            for _ in range(2):
                held.enter_context(share.one(HOUSE.id))
            assert refused(share, HOUSE.id) == 503, "there is no more"
        with share.one(HOUSE.id):
            assert refused(share, "b") == 503
        with share.one("b"):
            pass
    assert not share.taken


def test_what_fails_is_over_as_well() -> None:
    share = shares.downloads()
    with pytest.raises(ValueError, match="x"), share.one("a"):
        raise ValueError("x")
    assert not share.taken


@pytest.mark.parametrize("share", [shares.requests(), shares.streams(), shares.downloads()], ids=lambda one: one.what)
def test_no_program_takes_all_that_programs_have_nor_these_all_that_there_is(share: Share) -> None:
    assert 2 * share.each <= share.others < share.all
