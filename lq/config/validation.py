"""What makes a configuration document a good one, said field by field to whoever wrote it. Pure."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from ipaddress import ip_address
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from lq.acd import strategies
from lq.config import calendars
from lq.config.documents import (
    CODECS,
    DOCUMENTS,
    FEATURE_CODES,
    AccessNumber,
    Agent,
    Calendar,
    Conference,
    Flow,
    NumberList,
    PauseReason,
    Phone,
    Purpose,
    Queue,
    Route,
    Settings,
    Token,
    Trunk,
    Webhook,
    WrapUpCode,
)
from lq.ivr.flow import faults
from lq.ledger.events import TYPES
from lq.ledger.topics import TOPICS
from lq.media.prompts import ITEM
from lq.trunks.phones import MODELS

ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}")  # it stands in SIP URIs and keys of Redis
TARGETS: Final[Mapping[str, str]] = {
    "ivr": "flows",
    "queue": "queues",
    "agent": "agents",
    "conference": "conferences",
}
ROLES: Final = ("agent", "leader", "admin")
LANGUAGES: Final = ("zh", "en")
SCRIPT: Final = 4_000  # characters of a queue's
NO_ANSWER: Final = "no_answer"  # of lq/acd/agent.py: why an agent is paused who did not answer

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
    errors = _not_empty("name", agent.name) + _one_of("role", agent.role, ROLES) + _caller_id(agent.caller_id)
    if not re.fullmatch(r"([0-9a-f]{64})?", agent.pin_hash):
        errors.append(FieldError("pin_hash", "value", "64 hexadecimal digits; give the PIN as `pin`"))
    if not re.fullmatch(r"(\+[1-9]\d{6,14})?", agent.mobile, re.ASCII):
        errors.append(FieldError("mobile", "value", "a number outside in E.164 (+8613800138000), or nothing"))
    return errors


def _phone(phone: Phone) -> list[FieldError]:
    """HA1 is the MD5 of `user:realm:password` (RFC 7616 §3.4.2)."""
    errors = []
    if not re.fullmatch(r"[0-9a-f]{32}", phone.ha1):
        errors.append(FieldError("ha1", "value", "32 hexadecimal digits, the MD5 of user:realm:password"))
    if phone.model and phone.model not in MODELS:
        errors.append(FieldError("model", "value", f"one of {', '.join(MODELS)}, or nothing"))
    errors += _between("forward.no_answer_s", phone.forward.no_answer_s, 5, 300)
    return errors + [
        FieldError(f"forward.{why}", "value", "agent:<agent>, phone:<another phone>, queue:<queue> or a number to dial")
        for why, to in forwards(asdict(phone.forward))
        if not _may_be_forwarded_to(to, phone.id)
    ]


def forwards(forward: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Why, and where to."""
    return [(why, str(to)) for why, to in forward.items() if why != "no_answer_s" and to]


def _may_be_forwarded_to(to: str, phone: str) -> bool:
    kind, colon, id = to.partition(":")
    if colon:
        return kind in ("agent", "phone", "queue") and bool(ID.fullmatch(id)) and to != f"phone:{phone}"
    return bool(re.fullmatch(r"\+?[0-9*#]{1,32}", to)) and to != phone


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
        *_caller_id(queue.caller_id),
        *_at_most("script", queue.script, SCRIPT),
        *_item("music", queue.music),
        *_coding(queue),
    ]


def _coding(queue: Queue) -> list[FieldError]:
    """A code is asked for in the wrap-up."""
    if queue.wrap_up_code == "optional" or queue.wrap_up_s:
        return []
    return [FieldError("wrap_up_code", "value", "it cannot be required without a wrap-up: wrap_up_s is 0")]


def _at_most(field: str, text: str, characters: int) -> list[FieldError]:
    if len(text) <= characters:
        return []
    return [FieldError(field, "value", f"a text of at most {characters} characters is expected")]


def _item(field: str, name: str) -> list[FieldError]:
    """Whether it has such a file, the mixer knows; one with another name it would never play."""
    return [] if ITEM.fullmatch(name) else [FieldError(field, "value", "the name of a recording, e.g. music/hold")]


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
    if not set(trunk.codecs) <= set(CODECS):
        errors.append(FieldError("codecs", "value", f"codecs are {', '.join(CODECS)}"))
    rule = trunk.numbers
    errors += _between("numbers.called_digits", rule.called_digits, 0, 15)
    errors += _between("numbers.caller_digits", rule.caller_digits, 0, 15)
    for n, number in enumerate(trunk.caller_ids):
        errors += _caller_id(number or "-", f"caller_ids.{n}")
    errors += _registration(trunk)
    if rule.area_code and not re.fullmatch(r"[1-9]\d{1,2}", rule.area_code):
        errors.append(FieldError("numbers.area_code", "value", "two or three digits without the leading 0"))
    return errors


def _caller_id(number: str, field: str = "caller_id") -> list[FieldError]:
    """May it be shown as a caller's number? (MIIT: 400 numbers receive only.) "" names none."""
    shown = re.fullmatch(r"\+?\d{3,15}", number) and not re.fullmatch(r"(\+?86)?[48]00\d{7}", number)
    if not number or shown:
        return []
    return [FieldError(field, "value", "a fixed or mobile number; 400 and 800 numbers may not call out")]


def _route(route: Route) -> list[FieldError]:
    errors = [] if route.trunks else [FieldError("trunks", "value", "at least one")]
    errors += [
        FieldError(f"prefixes.{n}", "value", "the beginning of a number in E.164, e.g. +8610")
        for n, prefix in enumerate(route.prefixes)
        if not re.fullmatch(r"\+?\d{1,15}", prefix)
    ]
    if route.notice == "required":
        errors.append(FieldError("notice", "value", "by_agent or none: nothing is played to who is called"))
    return errors + _caller_id(route.caller_id)


def _calendar(calendar: Calendar) -> list[FieldError]:
    """Each day is one of the seven, each of its hours and each special day can be read, and no hours overlap."""
    errors = []
    for day, hours in calendar.hours.items():
        if day not in calendars.DAYS:
            errors.append(FieldError(f"hours.{day}", "value", f"one of {', '.join(calendars.DAYS)}"))
        spans = [_read(f"hours.{day}.{n}", text, calendars.span, errors) for n, text in enumerate(hours)]
        known = sorted(span for span in spans if span)
        if any(one[1] > following[0] for one, following in pairwise(known)):
            errors.append(FieldError(f"hours.{day}", "value", "hours overlap"))
    for name in ("holidays", "workdays"):
        for n, text in enumerate(getattr(calendar, name)):
            _read(f"{name}.{n}", text, calendars.days, errors)
    return errors


def _read(field: str, text: str, read: Callable[[str], Any], errors: list[FieldError]) -> Any:
    try:
        return read(text)
    except ValueError as error:
        errors.append(FieldError(field, "value", str(error)))
        return None


def _purpose(purpose: Purpose) -> list[FieldError]:
    return _between("per_number_a_day", purpose.per_number_a_day, 0, 1000)


def _list(given: NumberList) -> list[FieldError]:
    """A field that means nothing for its kind is a mistake: whoever wrote it expects something of it."""
    errors = _between("priority", given.priority, -100, 100)
    for name, kind in (("purposes", "dnc"), ("answer", "black"), ("priority", "vip")):
        if given.kind != kind and getattr(given, name) != NumberList.__dataclass_fields__[name].default:
            errors.append(FieldError(name, "value", f"only for a list of kind {kind}"))
    return errors


def _pause_reason(reason: PauseReason) -> list[FieldError]:
    errors = _not_empty("name", reason.name) + _between("longest_min", reason.longest_min, 0, 1440)
    if reason.id == NO_ANSWER:
        errors.append(FieldError("id", "value", "the center itself pauses agents for this reason"))
    return errors + _between("order", reason.order, -1000, 1000)


def _wrap_up_code(code: WrapUpCode) -> list[FieldError]:
    """That its parents make no circle, and are not too many, is a matter of all codes: lq/config/references.py."""
    return _not_empty("name", code.name) + _between("order", code.order, -1000, 1000)


def _registration(trunk: Trunk) -> list[FieldError]:
    given = trunk.register
    if not given.user:
        return []
    errors = _between("register.expires_s", given.expires_s, 60, 86_400)
    for name in ("user", "domain", "password", "auth_user", "realm"):
        value = getattr(given, name)
        if name in ("user", "domain", "password") and not value:
            errors.append(FieldError(f"register.{name}", "value", "it must not be empty"))
        elif not re.fullmatch(r'[^\s"\\<>;\x00-\x1f]{0,200}', value):
            errors.append(FieldError(f"register.{name}", "value", "no blanks, quotes, brackets or semicolons"))
    return errors


def _number(number: AccessNumber) -> list[FieldError]:
    return [
        FieldError(field, "value", "ivr:<flow>, queue:<queue>, agent:<agent>, conference:<conference> or echo")
        for field, target in (("target", number.target), ("closed", number.closed or "echo"))
        if not _is_target(target)
    ]


def _is_target(text: str) -> bool:
    kind, _, id = text.partition(":")
    return text == "echo" or (kind in TARGETS and bool(ID.fullmatch(id)))


def _flow(flow: Flow) -> list[FieldError]:
    return [
        FieldError(f"nodes.{fault.node}" if fault.node else "start", "value", fault.message) for fault in faults(flow)
    ]


def _conference(conference: Conference) -> list[FieldError]:
    errors = [
        FieldError(field, "value", "4 to 12 digits, or nothing")
        for field in ("pin", "host_pin")
        if not re.fullmatch(r"(\d{4,12})?", getattr(conference, field), re.ASCII)
    ]
    if conference.pin and conference.pin == conference.host_pin:
        errors.append(FieldError("host_pin", "value", "another one than the pin"))
    if conference.end_with_host and not conference.host_pin:
        errors.append(FieldError("end_with_host", "value", "nobody can be a host without host_pin"))
    return [
        *_not_empty("name", conference.name),
        *errors,
        *_between("max_parties", conference.max_parties, 2, 1000),
    ]


def _settings(settings: Settings) -> list[FieldError]:
    errors = _one_of("id", settings.id, ("center",)) + _one_of("language", settings.language, LANGUAGES)
    try:
        ZoneInfo(settings.time_zone)
    except (ValueError, OSError, KeyError):
        errors.append(FieldError("time_zone", "value", "the name of a time zone, e.g. Asia/Shanghai"))
    errors += _feature_codes(settings) + _recording_keys(settings.recording_keys)
    errors += _between("recording_silence_s", settings.recording_silence_s, 2, 60)
    if settings.keep_recordings_days:  # MIIT 2020-06: recordings of calls out at least 30 days
        errors += _between("keep_recordings_days", settings.keep_recordings_days, 30, 36_500)
    if not re.fullmatch(r"\d?", settings.outside_prefix):
        errors.append(FieldError("outside_prefix", "value", "one digit or nothing"))
    errors += [
        FieldError(f"recording.{name}", "value", "a direction: in, out or internal")
        for name in settings.recording
        if name not in ("in", "out", "internal")
    ]
    return errors + _not_empty("name", settings.name) + _not_empty("realm", settings.realm)


def _webhook(hook: Webhook) -> list[FieldError]:
    errors = [
        FieldError(f"events.{n}", "value", "the type of an event, or a topic")
        for n, name in enumerate(hook.events)
        if name not in TYPES and name not in TOPICS
    ]
    if hook.template == "lcall" and not hook.events:
        errors.append(FieldError("events", "value", "at least one"))
    if not _is_receiver(hook.url):
        errors.append(FieldError("url", "value", "an address http://… or https://…, without user, password and #"))
    if not 16 <= len(hook.secret) <= 200 or not hook.secret.isascii() or not hook.secret.isprintable():
        errors.append(FieldError("secret", "value", "16 to 200 printable ASCII characters"))
    return errors


def _is_receiver(url: str) -> bool:
    """One that a request can be sent to, and that shows no password to who reads the configuration."""
    if len(url) > 1000 or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port != 0
        and "@" not in parts.netloc
        and not parts.fragment
    )


def _token(token: Token) -> list[FieldError]:
    errors = [*_not_empty("name", token.name), *_between("per_second", token.per_second, 1, 1000)]
    errors += [] if token.scopes else [FieldError("scopes", "value", "at least one")]
    errors += [] if token.expires_at >= 0 else [FieldError("expires_at", "value", "a time")]
    if (token.agents or token.queues) and (whole := {"config", "admin"} & set(token.scopes)):
        message = f"{', '.join(sorted(whole))} is for the whole center, not for some agents or queues"
        errors.append(FieldError("scopes", "value", message))
    if not re.fullmatch(r"[0-9a-f]{64}", token.sha256):
        errors.append(FieldError("sha256", "value", "64 hexadecimal digits"))
    return errors


def _feature_codes(settings: Settings) -> list[FieldError]:
    errors = []
    for feature, code in settings.feature_codes.items():
        if feature not in FEATURE_CODES:
            errors.append(FieldError(f"feature_codes.{feature}", "value", f"one of {', '.join(FEATURE_CODES)}"))
        elif not re.fullmatch(r"([*#][0-9*#]{1,6})?", code):
            errors.append(FieldError(f"feature_codes.{feature}", "value", "* or # and up to six more keys, or nothing"))
        elif code and list({**FEATURE_CODES, **settings.feature_codes}.values()).count(code) > 1:
            errors.append(FieldError(f"feature_codes.{feature}", "value", "another feature has this code"))
    return errors


_UNDOES: Final = {"start": "stop", "stop": "start", "pause": "resume", "resume": "pause"}


def _recording_keys(known: Mapping[str, str]) -> list[FieldError]:
    """Two that undo each other may have the same keys; else none may be another's beginning."""
    errors = []
    for action, keys in known.items():
        twin = _UNDOES.get(action, "")
        others = [other for name, other in known.items() if name != action and (name, other) != (twin, keys)]
        if action not in _UNDOES:
            message = f"one of {', '.join(_UNDOES)}"
        elif not re.fullmatch(r"[*#][0-9*#]{1,3}", keys):
            message = "* or # and one to three more keys"
        elif any(other.startswith(keys) for other in others):
            message = "another order begins with these keys"
        else:
            continue
        errors.append(FieldError(f"recording_keys.{action}", "value", message))
    return errors


_RULES: Final[Mapping[str, Callable[[Any], list[FieldError]]]] = {
    "agents": _agent,
    "phones": _phone,
    "queues": _queue,
    "trunks": _trunk,
    "routes": _route,
    "numbers": _number,
    "flows": _flow,
    "conferences": _conference,
    "settings": _settings,
    "webhooks": _webhook,
    "tokens": _token,
    "calendars": _calendar,
    "purposes": _purpose,
    "lists": _list,
    "pause_reasons": _pause_reason,
    "wrap_up_codes": _wrap_up_code,
}
