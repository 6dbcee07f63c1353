"""Who of the ready agents is next: a strategy gives each a key in the line; smallest first, then longest idle. Pure.

A key is fixed while he stands in line, so a line is never sorted again. It is a number, 0..MAX_KEY, or a word for what
only the function library knows as he comes to stand there (lq/live/lcall.lua, `score_of`):

  - calls, talk: calls that he was given and has answered today · ten seconds that he has talked today
  - place:<n>: the n-th; of two at the same place the smaller operator number comes first, however long both are idle
  - random: whoever of the line, drawn for each contact anew

Today is a day of the center, as the nodes tell the library. The library puts the key before the time since when he is
idle in one number, and a double holds no more than MAX_KEY.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

MAX_KEY: Final = 8_999
WORD: Final = re.compile(r"calls|talk|random|place:\d{1,4}", re.ASCII)

Key = int | str

# the place is that of the agent in the queue's order
STRATEGIES: Final[Mapping[str, Callable[[int], Key]]] = {
    "longest_idle": lambda place: 0,
    "fewest_calls": lambda place: "calls",
    "least_talk": lambda place: "talk",
    "in_order": lambda place: f"place:{min(place, MAX_KEY)}",
    "random": lambda place: "random",
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


def key(strategy: str, place: int = 0) -> Key:
    """A ready agent's key in a line of that strategy; `place` is his in the queue's order."""
    return STRATEGIES[canonical(strategy)](place)
