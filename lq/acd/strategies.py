"""Who of the ready agents is next: a strategy gives each a key as he becomes ready; smallest first, then longest idle.

The key is fixed while he waits, so a line is never sorted again. A key is an integer 0..MAX_KEY: the function library
puts it before the time since when he is idle in one number (lq/live/lcall.lua, `score_of`), and a double holds no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

MAX_KEY: Final = 8_999


@dataclass(frozen=True, slots=True)
class Standing:
    """What a strategy may look at when an agent becomes ready."""

    calls: int = 0  # answered today
    talk_s: int = 0  # talked today
    position: int = 0  # place in the queue's list
    random: int = 0  # drawn by the caller, 0..MAX_KEY


STRATEGIES: Final[Mapping[str, Callable[[Standing], int]]] = {
    "longest_idle": lambda standing: 0,
    "fewest_calls": lambda standing: standing.calls,
    "least_talk": lambda standing: standing.talk_s // 10,
    "in_order": lambda standing: standing.position,
    "random": lambda standing: standing.random,
}

# what the same thing is called elsewhere: Asterisk app_queue, FreeSWITCH mod_callcenter, Genesys, Chinese ACDs
ALIASES: Final[Mapping[str, str]] = {
    "longest-idle-agent": "longest_idle",
    "leastrecent": "longest_idle",
    "lai": "longest_idle",
    "rrmemory": "longest_idle",
    "round-robin": "longest_idle",
    "最长空闲": "longest_idle",
    "fewestcalls": "fewest_calls",
    "agent-with-fewest-calls": "fewest_calls",
    "最少接听": "fewest_calls",
    "agent-with-least-talk-time": "least_talk",
    "最少通话": "least_talk",
    "linear": "in_order",
    "sequentially-by-agent-order": "in_order",
    "top-down": "in_order",
    "固定顺序": "in_order",
    "随机": "random",
}


def canonical(name: str) -> str:
    """The strategy that `name` means. Raises ValueError for a name that nobody knows."""
    strategy = ALIASES.get(name, name)
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {name!r}: expected one of {', '.join(STRATEGIES)}")
    return strategy


def key(strategy: str, standing: Standing) -> int:
    """A ready agent's key in a line of that strategy, 0..MAX_KEY: who has the smallest is next."""
    return max(0, min(MAX_KEY, STRATEGIES[canonical(strategy)](standing)))
