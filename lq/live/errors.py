"""What can go wrong with the live state.

LiveError
├── Superseded        another node owns the contact, or under a newer epoch: drop it silently
├── Claimed           another contact took this INVITE: answer 482
├── Conflict          the agent's present state does not allow it (409)
├── Gone              no such contact, agent or owner (404)
├── Alive             the lease of the node to adopt has not lapsed
├── NotServing        the node that shall take a contact is dead or drains
├── Stale             a newer configuration is published already
├── BadRequest        the caller's mistake (a programming error)
└── LiveUnavailable   Redis does not answer, or not as it should (503)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LiveError(Exception):
    """Base of all."""


class Superseded(LiveError):
    def __init__(self, owner: str, epoch: int) -> None:
        super().__init__(f"the contact belongs to {owner} under epoch {epoch}")
        self.owner = owner
        self.epoch = epoch


class Claimed(LiveError):
    def __init__(self, contact: str) -> None:
        super().__init__(f"the INVITE belongs to contact {contact}")
        self.contact = contact


class Conflict(LiveError):
    """`agent` is his present state, as the library answers it (JSON).

    `code`: conflict | agent_disabled | code_required.
    """

    def __init__(self, agent: Mapping[str, Any], message: str, code: str = "conflict") -> None:
        super().__init__(message)
        self.agent = agent
        self.code = code


class Gone(LiveError):
    pass


class Alive(LiveError):
    pass


class NotServing(LiveError):
    pass


class Stale(LiveError):
    def __init__(self, version: int) -> None:
        super().__init__(f"version {version} is known already")
        self.version = version


class BadRequest(LiveError):
    pass


class LiveUnavailable(LiveError):
    pass


def from_answer(answer: Mapping[str, Any]) -> LiveError:
    """The exception that an answer with ok = false means."""
    match answer.get("error"):
        case "superseded":
            return Superseded(str(answer["owner"]), int(answer["epoch"]))
        case "claimed":
            return Claimed(str(answer["contact"]))
        case "conflict":
            return Conflict(answer["agent"], str(answer["message"]), str(answer.get("code", "conflict")))
        case "gone":
            return Gone("no such contact")
        case "alive":
            return Alive("its lease has not lapsed")
        case "not_serving":
            return NotServing("the node is dead or drains")
        case "stale":
            return Stale(int(answer["version"]))
        case _:
            return BadRequest(str(answer.get("message", answer)))
