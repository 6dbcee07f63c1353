from __future__ import annotations

import pytest

from lcall_web.calls import store as calls
from lcall_web.common.database import literal, numbered
from lcall_web.customers import store as customers


def test_what_like_would_read_in_another_way() -> None:
    assert literal("50%_\\n") == "50\\%\\_\\\\n" and literal("王芳") == "王芳"


def test_values_stand_where_their_names_stood_each_once() -> None:
    text, values = numbered("a = :x and (:y::text[] is null or b = any (:y)) limit :x", {"y": ["b"], "x": 1, "z": 2})
    assert text == "a = $1 and ($2::text[] is null or b = any ($2)) limit $1" and values == [1, ["b"]]


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(KeyError):
        numbered("a = :x", {"y": 1})


def test_nothing_in_the_searches_only_looks_like_a_name() -> None:
    known = {"start", "end", "patterns", "agents", "codes", "queue", "direction", "result", "trunk", "least", "most"}
    known |= {"recorded", "people", "lines", "limit", "after_at", "after_id", "name", "code", "waited", "call"}
    known |= {"ended_by", "cause", "hours_first", "hours_last", "zone", "firsts", "lasts", "customers", "numbers"}
    known |= {"words"}
    for name in (
        "conditions",
        "with_code",
        "with_agent",
        "agent_of_these",
        "with_queue",
        "queue_of_these",
        "with_hours",
        "with_customer",
        "found",
        "found_within",
        "counted",
        "counted_within",
        "customers_named",
        "talked",
        "led",
        "of_these",
        "page",
        "totals",
        "agents_named",
        "codes_below",
    ):
        numbered(calls.SQL[name], dict.fromkeys(known))
    known = {"words", "parts", "exact", "last", "kind", "level", "tag", "owner", "after_at", "after_id", "limit"}
    known |= {"own", "texts"}
    for name in ("conditions", "with_parts", "with_number", "with_shown", "page", "sheet"):
        numbered(customers.SQL[name], dict.fromkeys(known))
