"""What makes a configuration document a good one, said field by field to whoever wrote it. Pure."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from ipaddress import ip_address
from typing import Any, Final

from lq.acd import strategies
from lq.config.documents import DOCUMENTS, AccessNumber, Agent, Flow, Phone, Queue, Settings, Trunk
from lq.ivr.flow import faults

ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}")  # it stands in SIP URIs and keys of Redis
ROLES: Final = ("agent", "leader", "admin")
LANGUAGES: Final = ("zh", "en")

Kinds = Mapping[str, Mapping[str, Mapping[str, Any]]]  # kind -> id -> document


@dataclass(frozen=True, slots=True)
class FieldError:
    """`field` is a path such as `numbers.area_code`; `code` is for programs, `message` for people."""

    field: str
    code: str  # missing | unknown | type | value | reference
    message: str


def to_json(document: Any) -> dict[str, Any]:
    """A document value as the JSON object that is stored and published."""
    plain: dict[str, Any] = asdict(document)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


def from_json(kind: str, body: Mapping[str, Any]) -> Any:
    """The document value of a JSON object without errors; raises ValueError with the first of them."""
    errors = validate(kind, body)
    if errors:
        raise ValueError(f"{kind}: {errors[0].field}: {errors[0].message}")
    return _value(DOCUMENTS[kind], body)


def validate(kind: str, body: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with one document by itself; empty when it may be stored."""
    if kind not in DOCUMENTS:
        return [FieldError("", "unknown", f"there is no kind {kind!r}")]
    errors = _shape(DOCUMENTS[kind], body, "")
    if errors:
        return errors
    if not ID.fullmatch(body["id"]):
        errors.append(FieldError("id", "value", "letters, digits, _ . - only, at most 64"))
    return errors + _RULES[kind](_value(DOCUMENTS[kind], body))


def references(kinds: Kinds) -> list[FieldError]:
    """Names in documents that name nothing: the field is `<kind>/<id>/<field>`."""
    named = [*_queues_of_agents(kinds), *_targets_of_numbers(kinds), *_targets_of_flows(kinds)]
    return [
        FieldError(field, "reference", f"{kind}/{id} does not exist")
        for field, kind, id in named
        if id not in kinds.get(kind, {})
    ]


# -- shape: the types of the dataclasses ---------------------------------------------------------------------------


def _shape(cls: type[Any], body: Any, path: str) -> list[FieldError]:
    if not isinstance(body, Mapping):
        return [FieldError(path.rstrip("."), "type", "an object is expected")]
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}
    errors = [FieldError(path + name, "unknown", "there is no such field") for name in body if name not in known]
    for name, f in known.items():
        if name in body:
            errors += _typed(hints[name], body[name], path + name)
        elif f.default is MISSING and f.default_factory is MISSING:
            errors.append(FieldError(path + name, "missing", "it is required"))
    return errors


def _typed(hint: Any, value: Any, path: str) -> list[FieldError]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        good, expected = value in arguments, f"one of {', '.join(map(str, arguments))}"
    elif origin in (tuple, list):
        if isinstance(value, (list, tuple)):
            return [error for n, item in enumerate(value) for error in _typed(arguments[0], item, f"{path}.{n}")]
        good, expected = False, "a list"
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            return [error for key, item in value.items() for error in _typed(arguments[1], item, f"{path}.{key}")]
        good, expected = False, "an object"
    elif is_dataclass(hint):
        return _shape(typing.cast(type, hint), value, f"{path}.")
    elif hint is Any or isinstance(hint, types.GenericAlias):
        return []
    else:
        good = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
        expected = {str: "text", int: "a whole number", bool: "true or false"}.get(hint, str(hint))
    return [] if good else [FieldError(path, "type", f"{expected} is expected")]


def _value(cls: type[Any], body: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(cls)
    given: dict[str, Any] = {}
    for name, value in body.items():
        if is_dataclass(hints[name]):
            value = _value(typing.cast(type, hints[name]), value)
        given[name] = tuple(value) if isinstance(value, list) else value
    return cls(**given)


# -- rules of each kind ----------------------------------------------------------------------------------------------


def _between(field: str, value: int, low: int, high: int) -> list[FieldError]:
    return [] if low <= value <= high else [FieldError(field, "value", f"from {low} to {high}")]


def _one_of(field: str, value: str, known: tuple[str, ...]) -> list[FieldError]:
    return [] if value in known else [FieldError(field, "value", f"one of {', '.join(known)}")]


def _not_empty(field: str, value: str) -> list[FieldError]:
    return [] if value.strip() else [FieldError(field, "value", "it must not be empty")]


def _agent(agent: Agent) -> list[FieldError]:
    return _not_empty("name", agent.name) + _one_of("role", agent.role, ROLES)


def _phone(phone: Phone) -> list[FieldError]:
    """HA1 is the MD5 of `user:realm:password` (RFC 7616 §3.4.2)."""
    if re.fullmatch(r"[0-9a-f]{32}", phone.ha1):
        return []
    return [FieldError("ha1", "value", "32 hexadecimal digits, the MD5 of user:realm:password")]


def _queue(queue: Queue) -> list[FieldError]:
    return [
        *_not_empty("name", queue.name),
        *_strategy(queue.strategy),
        *_between("ring_s", queue.ring_s, 3, 300),
        *_between("wrap_up_s", queue.wrap_up_s, 0, 3600),
        *_between("max_wait_s", queue.max_wait_s, 1, 86_400),
        *_between("position_every_s", queue.position_every_s, 0, 3600),
        *_between("service_level_s", queue.service_level_s, 1, 3600),
        *_between("max_no_answer", queue.max_no_answer, 1, 100),
        *_between("priority", queue.priority, -100, 100),
        *_between("ageing_ms", queue.ageing_ms, 0, 86_400_000),
    ]


def _strategy(name: str) -> list[FieldError]:
    try:
        strategies.canonical(name)
    except ValueError as error:
        return [FieldError("strategy", "value", str(error))]
    return []


def _trunk(trunk: Trunk) -> list[FieldError]:
    errors = [*_between("port", trunk.port, 1, 65_535), *_between("channels", trunk.channels, 0, 100_000)]
    try:
        ip_address(trunk.address)
    except ValueError:
        errors.append(FieldError("address", "value", "an IP address"))
    if not trunk.codecs:
        errors.append(FieldError("codecs", "value", "at least one"))
    rule = trunk.numbers
    errors += _between("numbers.called_digits", rule.called_digits, 0, 15)
    errors += _between("numbers.caller_digits", rule.caller_digits, 0, 15)
    if rule.area_code and not re.fullmatch(r"[1-9]\d{1,2}", rule.area_code):
        errors.append(FieldError("numbers.area_code", "value", "two or three digits without the leading 0"))
    return errors


def _number(number: AccessNumber) -> list[FieldError]:
    kind, _, id = number.target.partition(":")
    if number.target == "echo" or (kind in _TARGET_KINDS and ID.fullmatch(id)):
        return []
    return [FieldError("target", "value", "ivr:<flow>, queue:<queue>, agent:<agent> or echo")]


def _flow(flow: Flow) -> list[FieldError]:
    return [
        FieldError(f"nodes.{fault.node}" if fault.node else "start", "value", fault.message) for fault in faults(flow)
    ]


def _settings(settings: Settings) -> list[FieldError]:
    errors = _one_of("id", settings.id, ("center",)) + _one_of("language", settings.language, LANGUAGES)
    return errors + _not_empty("name", settings.name) + _not_empty("realm", settings.realm)


_RULES: Final[Mapping[str, Callable[[Any], list[FieldError]]]] = {
    "agents": _agent,
    "phones": _phone,
    "queues": _queue,
    "trunks": _trunk,
    "numbers": _number,
    "flows": _flow,
    "settings": _settings,
}

# -- who names whom ----------------------------------------------------------------------------------------------------

_TARGET_KINDS: Final[Mapping[str, str]] = {"ivr": "flows", "queue": "queues", "agent": "agents"}
Named = tuple[str, str, str]  # field, kind, id


def _queues_of_agents(kinds: Kinds) -> list[Named]:
    return [
        (f"agents/{agent}/queues", "queues", queue)
        for agent, body in kinds.get("agents", {}).items()
        for queue in body.get("queues", ())
    ]


def _targets_of_numbers(kinds: Kinds) -> list[Named]:
    found: list[Named] = []
    for number, body in kinds.get("numbers", {}).items():
        target, _, id = str(body.get("target", "")).partition(":")
        if target in _TARGET_KINDS:
            found.append((f"numbers/{number}/target", _TARGET_KINDS[target], id))
    return found


def _targets_of_flows(kinds: Kinds) -> list[Named]:
    return [
        (f"flows/{flow}/nodes.{name}.{key}", f"{key}s", str(node[key]))
        for flow, body in kinds.get("flows", {}).items()
        for name, node in body.get("nodes", {}).items()
        for key in ("queue", "agent")
        if node.get("kind") == key
    ]
