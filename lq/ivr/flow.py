"""IVR flows: the document (nodes and arrows, as a supervisor draws them), its checks and its interpreter.

Pure: `enter` and `hear` answer with what to do next; lq/contacts performs it. A flow can only name prompts, keys and
targets; it never holds a telephone, so the same interpreter serves a test call on the screen.

Node kinds, each an object in `Flow.nodes`:

    {"kind": "notice", "prompt": "notice_recorded", "next": "menu"}     played to its end; keys do not interrupt it
    {"kind": "play",   "prompt": "goodbye", "next": "bye"}              keys interrupt it and are kept for the next menu
    {"kind": "menu",   "prompt": "menu_main", "keys": {"1": "sales"}, "timeout_s": 5, "tries": 3,
                       "wrong_key": "wrong_key", "no_key": "no_key", "otherwise": "bye"}
    {"kind": "hours",  "calendar": "office", "open": "menu", "closed": "closed"}    by the calendar, as it stands now
    {"kind": "record", "action": "stop", "reason": "customer_refused", "next": "menu"}     start | stop | pause | resume
    {"kind": "queue",  "queue": "sales"}    {"kind": "agent", "agent": "1001"}    {"kind": "hang_up"}

A prompt (`prompt`, `wrong_key`, `no_key`) is the name of an item, or `say:<text>`, which the worker renders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from lq.config.documents import Flow, text_of

KEYS: Final = "0123456789*#"
# kind -> (required keys, optional keys, keys that name another node)
NODE_KINDS: Final[Mapping[str, tuple[frozenset[str], frozenset[str], frozenset[str]]]] = {
    "notice": (frozenset({"prompt", "next"}), frozenset(), frozenset({"next"})),
    "play": (frozenset({"prompt", "next"}), frozenset(), frozenset({"next"})),
    "menu": (
        frozenset({"prompt", "keys", "otherwise"}),
        frozenset({"timeout_s", "tries", "wrong_key", "no_key"}),
        frozenset({"otherwise"}),
    ),
    "record": (frozenset({"action", "next"}), frozenset({"reason"}), frozenset({"next"})),
    "hours": (frozenset({"calendar", "open", "closed"}), frozenset(), frozenset({"open", "closed"})),
    "queue": (frozenset({"queue"}), frozenset(), frozenset()),
    "agent": (frozenset({"agent"}), frozenset(), frozenset()),
    "hang_up": (frozenset(), frozenset(), frozenset()),
}
RECORD_ACTIONS: Final = ("start", "stop", "pause", "resume")
RECORD_REASON: Final = re.compile(r"[a-z][a-z_]{0,39}|")  # it stands in events and logs: never a text of people
PROMPTS: Final = ("prompt", "wrong_key", "no_key")
TARGETS: Final = ("queue", "agent", "calendar")
PROMPT_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
LONGEST_TEXT: Final = 500  # characters: some two minutes
TIMEOUT_S: Final = (1, 60)  # that a menu waits for a key, from … to
TRIES: Final = (1, 10)
MAX_STEPS: Final = 50  # nodes passed without a wait; more is a circle


@dataclass(frozen=True, slots=True)
class Position:
    """Where a caller stands in a flow: plain data, part of the contact's snapshot."""

    node: str
    tries: int = 0  # wrong or missing keys so far at this menu
    last_miss: str = ""  # no_key | wrong_key: what the caller did at the last try
    waiting: bool = False  # the prompt has ended, the clock runs
    typed: str = ""  # keys pressed before the menu that will take them


# What the caller's leg shall do next.
@dataclass(frozen=True, slots=True)
class Say:
    prompts: tuple[str, ...]
    notice: bool = False


@dataclass(frozen=True, slots=True)
class AwaitKey:
    seconds: float


@dataclass(frozen=True, slots=True)
class Record:
    """Order this of the recording, then go on by `done`."""

    action: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hours:
    """Whether this calendar is open now decides: go on by `looked`."""

    calendar: str


@dataclass(frozen=True, slots=True)
class ToQueue:
    queue: str


@dataclass(frozen=True, slots=True)
class ToAgent:
    agent: str


@dataclass(frozen=True, slots=True)
class HangUp:
    reason: str  # end | wrong_key | no_key


Action = Say | AwaitKey | Record | Hours | ToQueue | ToAgent | HangUp
Step = tuple[Position, Action]


@dataclass(frozen=True, slots=True)
class Fault:
    node: str
    message: str


def faults(flow: Flow) -> list[Fault]:
    """What is wrong with a flow, for its author; empty when it may be published."""
    found = [] if flow.start in flow.nodes else [Fault("", f"the start node {flow.start!r} does not exist")]
    for name, node in flow.nodes.items():
        found.extend(Fault(name, message) for message in _node_faults(flow, node))
    if not found:
        found.extend(Fault(name, "cannot be reached from the start") for name in sorted(_unreached(flow)))
        found.extend(Fault(name, "goes round in a circle for whoever presses no key") for name in _circles(flow))
    return found


def _node_faults(flow: Flow, node: Mapping[str, Any]) -> list[str]:
    kind = node.get("kind")
    if not isinstance(kind, str) or kind not in NODE_KINDS:
        return [f"unknown kind {kind!r}"]
    required, optional, arrows = NODE_KINDS[kind]
    given = frozenset(node) - {"kind", "x", "y", "name"}
    found = [f"{key!r} is missing" for key in sorted(required - given)]
    found += [f"{key!r} is not known here" for key in sorted(given - required - optional)]
    found += [f"{key!r} {fault}" for key in PROMPTS if key in node for fault in _prompt_faults(node[key])]
    found += [f"{key!r} is the id of one, a text" for key in TARGETS if not isinstance(node.get(key, ""), str)]
    if kind == "record":
        found += _record_faults(node)
    if kind == "menu":
        found += _menu_faults(node)
    targets = [node[key] for key in sorted(arrows & given)] + _of_keys(node)
    return found + [f"leads to {target!r}, which does not exist" for target in targets if not _is_in(flow, target)]


def _of_keys(node: Mapping[str, Any]) -> list[Any]:
    """Where the keys of a menu lead."""
    keys = node.get("keys", {})
    return list(keys.values()) if isinstance(keys, Mapping) else []


def _is_in(flow: Flow, target: Any) -> bool:
    return isinstance(target, str) and target in flow.nodes


def _menu_faults(node: Mapping[str, Any]) -> list[str]:
    keys = node.get("keys", {})
    if isinstance(keys, Mapping):
        found = [f"{key!r} is no key of a telephone" for key in keys if key not in KEYS or len(key) != 1]
    else:
        found = ["'keys' is an object: which key leads to which node"]
    if not _is_between(node.get("timeout_s", TIMEOUT_S[0]), float | int, *TIMEOUT_S):
        found.append("'timeout_s' is a number of seconds from {} to {}".format(*TIMEOUT_S))
    if not _is_between(node.get("tries", TRIES[0]), int, *TRIES):
        found.append("'tries' is a whole number from {} to {}".format(*TRIES))
    return found


def _is_between(value: Any, kind: Any, low: int, high: int) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and low <= value <= high


def _prompt_faults(prompt: Any) -> list[str]:
    if not isinstance(prompt, str):
        return ["must be the name of a prompt, or say:<text>"]
    text = text_of(prompt)
    if text is None:
        named = PROMPT_NAME.fullmatch(prompt)
        return [] if named else [f"{prompt[:40]!r} is no name of a prompt; a text to be spoken begins with say:"]
    if not any(character.isalnum() for character in text):
        return ["has nothing to say"]
    if len(text) > LONGEST_TEXT:
        return [f"is too long to be said: {len(text)} characters, at most {LONGEST_TEXT}"]
    return []


def _record_faults(node: Mapping[str, Any]) -> list[str]:
    action, reason = node.get("action"), node.get("reason", "")
    found = [] if action in RECORD_ACTIONS else [f"'action' is one of {', '.join(RECORD_ACTIONS)}"]
    if not isinstance(reason, str) or not RECORD_REASON.fullmatch(reason):
        found.append("'reason' is a word of a-z and _, at most 40 characters")
    return found


def texts(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the nodes of a flow say that is no prompt by name, each text once."""
    prompts = (node[key] for node in nodes.values() for key in PROMPTS if isinstance(node.get(key), str))
    return list(dict.fromkeys(text for prompt in prompts if (text := text_of(prompt))))


def _arrows(node: Mapping[str, Any]) -> list[str]:
    return [node[key] for key in NODE_KINDS[node["kind"]][2]] + _of_keys(node)


def _unreached(flow: Flow) -> set[str]:
    seen, todo = set[str](), [flow.start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(_arrows(flow.nodes[name]))
    return set(flow.nodes) - seen


def _circles(flow: Flow) -> list[str]:
    """Nodes to which a caller comes back who presses nothing: one who cannot would never be let go."""
    return [name for name in flow.nodes if name in _followers(flow, name)]


def _followers(flow: Flow, name: str) -> set[str]:
    """Where who presses nothing comes after this node."""
    seen, todo = set[str](), _unasked(flow, name)
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo.extend(_unasked(flow, at))
    return seen


def _unasked(flow: Flow, name: str) -> list[str]:
    """Where it goes on without a key."""
    node = flow.nodes[name]
    return [node[key] for key in NODE_KINDS[node["kind"]][2]]


def enter(flow: Flow, node: str = "", typed: str = "") -> Step:
    """The caller arrives at a node (the start by default)."""
    return _arrive(flow, Position(node or flow.start, typed=typed))


def _arrive(flow: Flow, position: Position) -> Step:
    for _ in range(MAX_STEPS):
        node = flow.nodes[position.node]
        match node["kind"]:
            case "notice":
                return position, Say((node["prompt"],), notice=True)
            case "play" if position.typed:  # keys in hand: nothing to wait for, on to what they are meant for
                position = replace(position, node=node["next"])
            case "play":
                return position, Say((node["prompt"],))
            case "menu" if position.typed:
                key, rest = position.typed[0], position.typed[1:]
                return _key(flow, replace(position, typed=rest), key)
            case "menu":
                return position, Say(_menu_prompts(node, position))
            case "record":
                return position, Record(node["action"], node.get("reason", ""))
            case "hours":
                return position, Hours(node["calendar"])
            case "queue":
                return position, ToQueue(node["queue"])
            case "agent":
                return position, ToAgent(node["agent"])
            case _:
                return position, HangUp("end")
    return position, HangUp("end")


def _menu_prompts(node: Mapping[str, Any], position: Position) -> tuple[str, ...]:
    """After a wrong or missing key the caller is told so before the menu repeats."""
    told = node.get(position.last_miss) if position.tries else None
    return (told, node["prompt"]) if told else (node["prompt"],)


def played(flow: Flow, position: Position) -> Step:
    """What we said was heard to its end."""
    node = flow.nodes[position.node]
    if node["kind"] in ("notice", "play"):
        return _arrive(flow, Position(node["next"], typed=position.typed))
    return replace(position, waiting=True), AwaitKey(float(node.get("timeout_s", 5)))


def done(flow: Flow, position: Position) -> Step:
    """What the node wanted done without a wait has been ordered."""
    return _arrive(flow, replace(position, node=flow.nodes[position.node]["next"]))


def looked(flow: Flow, position: Position, is_open: bool) -> Step:
    """The calendar that an `hours` node names was asked."""
    node = flow.nodes[position.node]
    return _arrive(flow, replace(position, node=node["open" if is_open else "closed"]))


def pressed(flow: Flow, position: Position, key: str) -> Step | None:
    """A key. None: it is kept for the next menu and nothing changes now (a notice is never interrupted)."""
    node = flow.nodes[position.node]
    match node["kind"]:
        case "menu":
            return _key(flow, position, key)
        case "play":
            return _arrive(flow, Position(node["next"], typed=position.typed + key))
        case _:
            return None


def typed_ahead(position: Position, key: str) -> Position:
    """The position with a key kept for the next menu; at most eight are kept."""
    return replace(position, typed=(position.typed + key)[:8])


def timed_out(flow: Flow, position: Position) -> Step:
    """No key within the menu's time."""
    return _miss(flow, position, "no_key")


def _key(flow: Flow, position: Position, key: str) -> Step:
    target = flow.nodes[position.node]["keys"].get(key)
    if target is None:
        return _miss(flow, position, "wrong_key")
    return _arrive(flow, Position(target, typed=position.typed))


def _miss(flow: Flow, position: Position, why: str) -> Step:
    node = flow.nodes[position.node]
    tries = position.tries + 1
    if tries >= int(node.get("tries", 3)):
        at = Position(node["otherwise"], last_miss=why)
        after, action = _arrive(flow, at)
        return after, HangUp(why) if isinstance(action, HangUp) else action
    return _arrive(flow, replace(position, tries=tries, last_miss=why, waiting=False, typed=""))
