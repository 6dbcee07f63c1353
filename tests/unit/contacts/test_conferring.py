"""A conference: the PIN, who hears what as others come and go, its end with its host, and the death of a node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lq.contacts import inputs
from lq.contacts.view import contact_json
from tests.unit.contacts.played.book import BOOK
from tests.unit.contacts.world import World

NUMBER = "4008001008"


def reached(source: str = "trunk:gw1", called: str = NUMBER) -> World:
    world = World(called, source)
    world.calm()
    assert world.contact.state == "conference"
    return world


def type_in(world: World, keys: str) -> World:
    for key in keys:
        world.now += 1000
        world.presses("customer", key)
    return world.calm()


def told(world: World, parties: int, hosts: int = 0) -> World:
    world.take(inputs.Parties(parties, hosts))
    return world.calm()


def test_what_was_told_later_counts_though_the_answer_comes_after_it() -> None:
    """The next one comes while his own answer is still on its way; also when another node asks anew."""
    world = type_in(reached(), "1234#")
    world.take(inputs.Parties(2, 0, 8))
    world.take(inputs.Parties(1, 0, 7))
    world.calm()
    assert room(world) == "room:conference-board:1:" and not alone(world)
    world.take(inputs.Parties(1, 0, 9))
    world.calm()
    assert alone(world)
    good(world)


def room(world: World) -> str:
    return world.contact.legs[1].peer


def alone(world: World) -> bool:
    play = world.contact.legs[1].play
    return play is not None and (play.items, play.repeat) == (("zh/conference_alone", "music/hold"), 0)


def good(world: World) -> None:
    assert world.faults == [], (world.faults, world.steps)


def test_the_only_one_hears_music_and_the_others_when_they_come() -> None:
    world = type_in(reached(), "1234#")
    assert alone(world) and contact_json(world.contact.to_json())["state"] == "conferencing"
    told(world, 2)
    assert room(world) == "room:conference-board:1:"
    told(world, 1)
    assert alone(world)
    world.hangs_up("customer")
    world.calm()
    assert (world.contact.result, world.contact.ended_by) == ("answered", "caller")
    assert [segment.kind for segment in world.contact.segments] == ["ivr", "conference"]
    good(world)


def test_who_comes_second_hears_that_he_has_joined_before_anybody_hears_him() -> None:
    world = reached()
    world.gathered = (2, 1)
    for key in "1234#":
        world.presses("customer", key)
    while world.contact.conference and world.contact.conference.phase != "greeting":
        assert world.deliver()
    assert room(world) == "mixer"
    world.calm()
    assert room(world) == "room:conference-board:1:"
    good(world)


@pytest.mark.parametrize(("keys", "host"), [("1234#", False), ("4321#", True), ("1234", False)])
def test_the_pin_says_who_is_a_host_and_needs_no_hash(keys: str, host: bool) -> None:
    world = type_in(reached(), keys)
    if not keys.endswith("#"):
        world.due("pin")
        world.calm()
    assert world.contact.conference is not None and world.contact.conference.host is host
    [joined] = [event for event in world.ledger if event.type == "contact_conference_joined"]
    assert joined.data.get("host", False) is host
    assert not any("1234" in str(event.data) or "pii_digits" in event.data for event in world.ledger)
    good(world)


def test_three_wrong_pins_end_it() -> None:
    world = reached()
    for _ in range(2):
        type_in(world, "9999#")
        assert world.contact.state == "conference"
    world.due("pin")  # nothing typed is wrong as well
    world.calm()
    assert world.over and world.contact.result == "refused"
    assert [e.data["reason"] for e in world.ledger if e.type == "contact_conference_refused"] == ["pin"]
    good(world)


@pytest.mark.parametrize("keys", ["1234#", "4321#", "9999#"])
def test_after_too_many_wrong_pins_none_counts_not_the_right_one_either(keys: str) -> None:
    world = reached()
    world.guesses_count = False
    type_in(world, keys)
    assert world.over and world.contact.result == "refused"
    assert [e.data["reason"] for e in world.ledger if e.type == "contact_conference_refused"] == ["locked"]
    good(world)


def test_a_pin_is_asked_for_once_more_by_who_takes_over_and_waits_for_no_live_state() -> None:
    for lost in (True, False):
        world = reached()
        for key in "4321#7":  # what is keyed meanwhile is nothing
            world.presses("customer", key)
        where = world.contact.conference
        assert where is not None and (where.phase, where.typed, where.entered) == ("pin", "", "host")
        if lost:
            world.dies()
        else:
            world.pending.clear()
            world.due("pin")
        world.calm()
        assert world.contact.conference is not None and world.contact.conference.host
        good(world)


def test_a_full_one_takes_nobody() -> None:
    world = reached()
    world.gathered = ()
    type_in(world, "1234#")
    assert world.over and (world.contact.result, world.contact.cause) == ("busy", 17)
    good(world)


def test_it_is_over_for_all_when_its_last_host_has_left_and_not_before_one_has_come() -> None:
    world = type_in(reached(), "1234#")
    told(world, 2, 0)
    assert world.contact.state == "conference"  # nobody has been a host yet
    told(world, 3, 1)
    told(world, 2, 0)
    assert world.over and world.contact.ended_by == "system"
    good(world)


def test_who_is_muted_or_holds_by_his_phone_is_not_heard() -> None:
    world = type_in(reached(), "1234#")
    told(world, 2)
    for change, back in (("mute_party", "unmute_party"),):
        world.command(change)
        assert room(world) == "room:conference-board:0:"
        world.command(back)
        assert room(world) == "room:conference-board:1:"
    world.holds("customer")
    world.calm()
    assert room(world) == "room:conference-board:0:"
    world.resumes("customer")
    world.calm()
    assert room(world) == "room:conference-board:1:"
    world.command("hang_up")
    world.calm()
    assert world.over and world.contact.result == "answered"
    good(world)


@pytest.mark.parametrize("keys", ["", "12", "1234#"])
def test_another_node_carries_him_on(keys: str) -> None:
    world = type_in(reached(), keys)
    world.gathered = (2, 1)  # somebody came while nobody read the dead node's inbox
    world.dies()
    world.calm()
    if keys == "1234#":
        assert room(world) == "room:conference-board:1:"
        assert world.contact.conference is not None and world.contact.conference.parties == 2
    else:
        type_in(world, "1234#"[len(keys) :])
        assert room(world) == "room:conference-board:1:"
    good(world)


def test_a_party_who_is_released_had_been_answered() -> None:
    world = type_in(reached(), "1234#")
    world.command("release", agent="1901")
    world.calm()
    assert world.over and world.contact.result == "answered"
    good(world)


def test_a_phone_of_the_house_dials_its_id() -> None:
    world = type_in(reached("phone:8001", "board"), "4321#")
    assert world.contact.direction == "internal" and world.contact.conference is not None
    good(world)


# -- tones -------------------------------------------------------------------------------------------------------------
def test_who_is_in_it_hears_who_comes_and_who_leaves() -> None:
    world = type_in(reached(), "1234#")
    told(world, 2)
    told(world, 3)
    told(world, 3, 1)  # one of them is a host now: nobody has come
    told(world, 2, 1)
    assert world.tones == ["tones/joined", "tones/joined", "tones/left"]
    told(world, 1, 1)
    assert world.tones[3:] == [] and alone(world)  # the only one is told in words
    good(world)


def test_who_comes_hears_no_tone_for_himself() -> None:
    world = reached()
    world.gathered = (2, 1)
    type_in(world, "1234#")
    assert room(world) == "room:conference-board:1:" and world.tones == []


def test_a_room_may_be_without_tones(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = {"board": replace(BOOK.conferences["board"], tones=False)}
    monkeypatch.setattr("tests.unit.contacts.world.BOOK", replace(BOOK, conferences=quiet))
    world = type_in(reached(), "1234#")
    told(world, 3)
    told(world, 2)
    assert world.tones == [] and room(world) == "room:conference-board:1:"


# -- hosts -------------------------------------------------------------------------------------------------------------
def test_it_ends_with_the_last_of_several_hosts() -> None:
    world = type_in(reached(), "1234#")
    told(world, 4, 2)
    told(world, 3, 1)
    assert world.contact.state == "conference"
    told(world, 2, 0)
    assert world.over and world.contact.ended_by == "system"
    good(world)


def test_a_room_that_does_not_end_with_its_hosts_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"board": replace(BOOK.conferences["board"], end_with_host=False)}
    monkeypatch.setattr("tests.unit.contacts.world.BOOK", replace(BOOK, conferences=free))
    world = type_in(reached(), "1234#")
    told(world, 3, 1)
    told(world, 2, 0)
    assert world.contact.state == "conference" and room(world) == "room:conference-board:1:"


def test_somebody_is_made_a_host_and_is_none_any_more() -> None:
    world = type_in(reached(), "1234#")
    told(world, 3, 1)
    world.gathered = (3, 2)
    world.command("make_host", host=True)
    world.calm()
    assert world.contact.conference is not None and world.contact.conference.host
    assert [event.data["host"] for event in world.ledger if event.type == "contact_conference_host"] == [True]
    world.gathered = (3, 1)
    world.command("make_host", host=False)
    world.calm()
    assert world.contact.conference is not None and not world.contact.conference.host
    assert set(world.replies.values()) == {200} and world.contact.state == "conference"
    good(world)


def test_the_last_host_stays_one_where_the_room_would_end() -> None:
    world = reached()
    world.gathered = (1, 1)
    type_in(world, "4321#")
    told(world, 2, 1)
    world.command("make_host", host=False)
    world.calm()
    assert world.replies["k1"] == 409 and world.contact.conference is not None and world.contact.conference.host


def test_who_still_says_his_pin_is_in_no_conference() -> None:
    world = reached()
    world.command("make_host", host=True)
    assert world.replies["k1"] == 409
