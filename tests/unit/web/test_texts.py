"""Every text of the web stands in English too, and calls things what the call core calls them."""

from __future__ import annotations

import re

import pytest
from babel.messages.pofile import read_po

from lcall_web.common import words
from lcall_web.common.i18n import CATALOGUES, ENGLISH, preferred, translated
from lq.acd.agent import OUTCOMES, PAUSE_REASONS, STATES
from lq.ledger.events import RECORDING_SEQ, RESULTS, TYPES
from lq.ledger.fold import STATE_OF
from tests.unit.web.texts import named, texts

PLACEHOLDER = re.compile(r"%\(\w+\)s")


def test_every_text_has_an_english_one() -> None:
    used = dict(texts())
    assert len(used) > 200, "the sources were read"
    known: dict[str, str | tuple[str, ...]] = {}
    for path in ENGLISH:
        with path.open("rb") as file:
            found = [message for message in read_po(file, locale="en") if message.id]
            here = {named(_first(message.id), message.context): message.string for message in found}
        assert set(here) & set(known) == set(), f"{path}: these stand in another catalogue too"
        known |= here
    assert set(used) - set(known) == set(), "these have no English"
    assert set(known) - set(used) == set(), "nothing shows these any more"
    for id, string in known.items():
        for one in string if isinstance(string, tuple) else (string,):
            assert one and PLACEHOLDER.findall(one) == PLACEHOLDER.findall(id), id
    assert CATALOGUES["en"].gettext("坐席") == "Agent"


def _first(id: str | tuple[str, ...]) -> str:
    return id if isinstance(id, str) else id[0]


def test_a_list_of_numbers_is_not_called_a_number() -> None:
    assert CATALOGUES["en"].pgettext("several", "号码") == "Numbers"
    shown = {file for text, file in texts() if text == named("号码", "several")}
    assert {"settings/templates/list.html", "settings/templates/form.html"} <= shown


def test_the_words_are_those_of_the_call_core() -> None:
    for ours, theirs in ((words.AGENT_STATES, STATES), (words.PAUSE_REASONS, PAUSE_REASONS)):
        assert {key: (text, translated("en", text)) for key, text in ours.items()} == {
            key: (label.zh, label.en) for key, label in theirs.items()
        }


def test_nothing_that_can_be_shown_lacks_a_word() -> None:
    assert set(words.RESULTS) == set(RESULTS)
    assert set(words.REASONS) >= set(OUTCOMES)
    assert set(words.SEGMENTS) >= set(STATE_OF)
    assert set(words.CALL_STATES) == {*STATE_OF.values(), "started", "ended"}
    of_ledger = {name.removeprefix("recording_") for name in RECORDING_SEQ}
    assert set(words.RECORDINGS) == of_ledger | {"paused", "stopped"}  # while the call goes on
    about_calls = {name for name in TYPES if name.startswith(("contact_", "leg_", "recording_"))}
    assert set(words.EVENTS) == about_calls


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("en", "zh-CN", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "en-GB,en;q=0.9", "en"),
        ("", "fr-FR, en;q=0.4, zh;q=0.8", "zh"),
        ("", "", "zh"),
        ("", "fr", "zh"),
        ("xx", "en;q=nonsense", "en"),
        ("'; drop", "\x00, ;;;q=", "zh"),
    ],
)
def test_the_language_is_the_persons_choice(chosen: str, accepted: str, language: str) -> None:
    assert preferred(chosen, accepted) == language
