"""Hold at the screen, shown by a phone that takes the order: by its key and by command it is one hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lq.config import documents as doc
from lq.contacts import effects as do
from lq.contacts import inputs
from tests.unit.contacts.talks import hears, music, tell
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life

HOLD, TALK = do.HoldPhone(2, True), do.HoldPhone(2, False)


def talking(model: str = "yealink") -> Life:
    phones = {id: doc.Phone(id, "", model=model, calls="national") for id in ("8001", "8002")}
    return Life(book=replace(BOOK, phones=phones)).talking()


def orders(life: Life) -> list[bool]:
    return [effect.on for effect in life.effects if isinstance(effect, do.HoldPhone)]


def phone(life: Life, *, holds: bool) -> None:
    """Its re-INVITE."""
    life.take(inputs.Reoffered(2, "its offer"))
    life.take(inputs.MediaReoffered(2, MEDIA, "our answer", holds))


def held(life: Life) -> bool:
    return life.contact.segments[-1].kind == "hold"


def obeyed() -> Life:
    life = talking()
    assert tell(life, "hold") == (200, "") and orders(life) == [True] and music(life, 1)
    phone(life, holds=True)
    assert held(life) and music(life, 1) and life.events.count("contact_held") == 1
    return life


def test_hold_and_resume_by_command() -> None:
    life = obeyed()
    assert tell(life, "resume") == (200, "") and orders(life) == [False]
    phone(life, holds=False)
    assert not held(life) and hears(life) == {1: "leg:2", 2: "leg:1"}
    assert (life.events.count("contact_held"), life.events.count("contact_resumed")) == (1, 1)


def test_its_key_takes_back_what_was_ordered() -> None:
    life = obeyed()
    phone(life, holds=False)
    assert not held(life) and hears(life) == {1: "leg:2", 2: "leg:1"} and orders(life) == []
    assert life.events[-1] == "contact_resumed"


def test_a_hold_by_its_key_is_resumed_by_command() -> None:
    life = talking()
    phone(life, holds=True)
    assert held(life) and orders(life) == []
    assert tell(life, "resume") == (200, "") and orders(life) == [False]
    phone(life, holds=False)
    assert not held(life) and hears(life) == {1: "leg:2", 2: "leg:1"}


def test_one_that_does_not_obey_goes_on_and_the_customer_hears_music() -> None:
    life = talking()
    tell(life, "hold")
    assert held(life) and music(life, 1)
    tell(life, "resume")
    assert not held(life) and hears(life) == {1: "leg:2", 2: "leg:1"}


def test_who_asks_a_colleague_meanwhile_is_heard_by_him() -> None:
    life = obeyed()
    assert tell(life, "transfer", to="1002", mode="consult") == (200, "") and orders(life) == [False]
    phone(life, holds=False)
    assert music(life, 1), "the customer waits for the end of it"
    assert life.contact.legs[2].place == "aside" and not life.contact.legs[2].held


def test_whoever_takes_the_contact_over_knows_what_was_ordered() -> None:
    life = obeyed()
    life.take(inputs.Adopted("lq2-1"))
    assert held(life) and life.contact.legs[2].told_to_hold
    tell(life, "resume")
    assert orders(life) == [False]


@pytest.mark.parametrize("model", ["", "fanvil", "grandstream", "baresip", "browser"])
def test_other_phones_are_told_nothing(model: str) -> None:
    life = talking(model)
    tell(life, "hold")
    assert held(life) and orders(life) == []
    phone(life, holds=True)
    phone(life, holds=False)
    assert held(life) and music(life, 1), "the command stands"
    tell(life, "resume")
    assert not held(life) and orders(life) == []
