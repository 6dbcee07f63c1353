from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lq.config import demo
from lq.config.documents import DOCUMENTS, Flow, Queue, Trunk
from lq.config.references import references, users
from lq.config.seed import FLOW
from lq.config.validation import from_json, to_json, validate
from lq.trunks import phones

QUEUE = {"id": "sales", "name": "销售"}
TRUNK = {"id": "gw1", "address": "127.0.1.1"}
PHONE = {"id": "8001", "ha1": "0" * 32}
FLOW_OK = {"id": "f", "start": "a", "nodes": {"a": {"kind": "hang_up"}}}


HOOK = {"id": "crm", "url": "http://127.0.0.1:9000/calls?x=1", "secret": "0123456789abcdef", "events": ["contacts"]}
START_KEYS = "recording_keys.start"
TOKEN = {"id": "0123abcd", "name": "crm", "sha256": "a" * 64, "scopes": ["read"]}


@pytest.mark.parametrize(
    ("kind", "body", "field", "code"),
    [
        ("queues", {"id": "sales"}, "name", "missing"),
        ("queues", {**QUEUE, "colour": "red"}, "colour", "unknown"),
        ("queues", {**QUEUE, "ring_s": "20"}, "ring_s", "type"),
        ("queues", {**QUEUE, "ring_s": True}, "ring_s", "type"),
        ("queues", {**QUEUE, "ring_s": 1}, "ring_s", "value"),
        ("queues", {**QUEUE, "name": " "}, "name", "value"),
        ("queues", {**QUEUE, "id": "a b"}, "id", "value"),
        ("queues", {**QUEUE, "id": ""}, "id", "value"),
        ("queues", {**QUEUE, "id": "x\r\nVia: y"}, "id", "value"),
        ("queues", {**QUEUE, "strategy": "best"}, "strategy", "value"),
        ("queues", {**QUEUE, "recording": "some"}, "recording", "type"),
        ("queues", {**QUEUE, "notice": "sung"}, "notice", "type"),
        ("routes", {"id": "all", "trunks": ["gw1"], "notice": "required"}, "notice", "value"),
        ("settings", {"id": "center", "recording": {"sideways": "talk"}}, "recording.sideways", "value"),
        ("settings", {"id": "center", "recording": {"in": "always"}}, "recording.in", "type"),
        ("agents", {"id": "1001", "name": "王芳", "recording": "often"}, "recording", "type"),
        ("agents", {"id": "1001", "name": "王芳", "queues": "sales"}, "queues", "type"),
        ("agents", {"id": "1001", "name": "王芳", "queues": [1]}, "queues.0", "type"),
        ("agents", {"id": "1001", "name": "王芳", "role": "boss"}, "role", "value"),
        ("phones", {**PHONE, "ha1": "demo-8001"}, "ha1", "value"),
        ("phones", {**PHONE, "model": "nokia"}, "model", "value"),
        ("phones", {**PHONE, "forward": {"sometimes": "8002"}}, "forward.sometimes", "unknown"),
        ("phones", {**PHONE, "forward": {"busy": "8001"}}, "forward.busy", "value"),
        ("phones", {**PHONE, "forward": {"busy": "phone:8001"}}, "forward.busy", "value"),
        ("phones", {**PHONE, "forward": {"always": "ivr:main"}}, "forward.always", "value"),
        ("phones", {**PHONE, "forward": {"offline": "8002@x"}}, "forward.offline", "value"),
        ("phones", {**PHONE, "forward": {"no_answer": "queue:"}}, "forward.no_answer", "value"),
        ("phones", {**PHONE, "forward": {"no_answer_s": 3}}, "forward.no_answer_s", "value"),
        ("phones", {**PHONE, "forward": "8002"}, "forward", "type"),
        ("trunks", {**TRUNK, "address": "gw1.example"}, "address", "value"),
        ("trunks", {**TRUNK, "port": 70_000}, "port", "value"),
        ("trunks", {**TRUNK, "codecs": []}, "codecs", "value"),
        ("trunks", {**TRUNK, "codecs": ["PCMA", "AMR"]}, "codecs", "value"),
        ("trunks", {**TRUNK, "numbers": {"area_code": "010"}}, "numbers.area_code", "value"),
        ("trunks", {**TRUNK, "numbers": {"area": "10"}}, "numbers.area", "unknown"),
        ("trunks", {**TRUNK, "numbers": {"landing": {"010": 1}}}, "numbers.landing.010", "type"),
        ("trunks", {**TRUNK, "numbers": []}, "numbers", "type"),
        ("numbers", {"id": "4008001000", "target": "shop"}, "target", "value"),
        ("numbers", {"id": "4008001000", "target": "queue:"}, "target", "value"),
        ("flows", {**FLOW_OK, "start": "b"}, "start", "value"),
        ("flows", {**FLOW_OK, "nodes": {"a": {"kind": "fly"}}}, "nodes.a", "value"),
        ("flows", {**FLOW_OK, "nodes": {"a": 1}}, "nodes.a", "type"),
        ("settings", {"id": "other"}, "id", "value"),
        ("settings", {"id": "center", "keep_recordings_days": 29}, "keep_recordings_days", "value"),
        ("settings", {"id": "center", "keep_recordings_days": -1}, "keep_recordings_days", "value"),
        *(
            ("webhooks", {**HOOK, "url": url}, "url", "value")
            for url in (
                *(
                    "ftp://crm/x",
                    "crm/x",
                    "http://",
                    "http://u:p@crm/",
                    "http://crm/#a",
                    "http://crm:0/",
                    "http://[::1",
                ),
                *("http://crm:99999/", "http://crm/a b", "http://crm/\r\nX: y", "file:///etc/passwd", ""),
            )
        ),
        ("webhooks", {**HOOK, "events": []}, "events", "value"),
        ("webhooks", {**HOOK, "events": ["contacts", "weather"]}, "events.1", "value"),
        ("webhooks", {**HOOK, "secret": "short"}, "secret", "value"),
        ("webhooks", {**HOOK, "template": "jira"}, "template", "type"),
        ("tokens", {**TOKEN, "scopes": []}, "scopes", "value"),
        ("tokens", {**TOKEN, "scopes": ["all"]}, "scopes.0", "type"),
        ("tokens", {**TOKEN, "scopes": ["config"], "queues": ["sales"]}, "scopes", "value"),
        ("tokens", {**TOKEN, "scopes": ["admin"], "agents": ["1001"]}, "scopes", "value"),
        ("tokens", {**TOKEN, "sha256": "secret"}, "sha256", "value"),
        ("tokens", {**TOKEN, "per_second": 0}, "per_second", "value"),
        ("settings", {"id": "center", "feature_codes": {"fly": "*99"}}, "feature_codes.fly", "value"),
        ("settings", {"id": "center", "recording_keys": {"erase": "*2"}}, "recording_keys.erase", "value"),
        ("settings", {"id": "center", "recording_keys": {"start": "*"}}, START_KEYS, "value"),
        ("settings", {"id": "center", "recording_keys": {"start": "22"}}, START_KEYS, "value"),
        ("settings", {"id": "center", "recording_keys": {"stop": "*2#", "start": "*2"}}, START_KEYS, "value"),
        ("settings", {"id": "center", "recording_keys": {"start": "*2", "pause": "*22"}}, START_KEYS, "value"),
        ("settings", {"id": "center", "feature_codes": {"echo": "43"}}, "feature_codes.echo", "value"),
        ("settings", {"id": "center", "feature_codes": {"echo": "*11"}}, "feature_codes.echo", "value"),
        ("agents", {"id": "1001", "name": "王芳", "pin_hash": "1234"}, "pin_hash", "value"),
        ("settings", {"id": "center", "time_zone": "Peking"}, "time_zone", "value"),
        ("agents", {"id": "1001", "name": "王芳", "caller_id": "4008001000"}, "caller_id", "value"),
        ("queues", {**QUEUE, "caller_id": "anonymous"}, "caller_id", "value"),
        ("queues", {**QUEUE, "music": "hold"}, "music", "value"),
        ("queues", {**QUEUE, "music": "music/../secret"}, "music", "value"),
        ("queues", {**QUEUE, "music": "等待音乐"}, "music", "value"),
        ("trunks", {**TRUNK, "caller_ids": ["01088001000", "864008001000"]}, "caller_ids.1", "value"),
        ("trunks", {**TRUNK, "caller_ids": [""]}, "caller_ids.0", "value"),
        ("routes", {"id": "r", "trunks": ["gw1"], "caller_id": "8008100000"}, "caller_id", "value"),
        ("routes", {"id": "r", "trunks": []}, "trunks", "value"),
        ("numbers", {"id": "4008001000", "target": "echo", "closed": "nights"}, "closed", "value"),
        ("calendars", {"id": "c", "hours": {"monday": []}}, "hours.monday", "value"),
        ("calendars", {"id": "c", "hours": {"mon": ["9-12"]}}, "hours.mon.0", "value"),
        ("calendars", {"id": "c", "hours": {"mon": ["09:00-12:00", "11:00-13:00"]}}, "hours.mon", "value"),
        ("calendars", {"id": "c", "hours": {"mon": "09:00-12:00"}}, "hours.mon", "type"),
        ("calendars", {"id": "c", "holidays": ["2026-10-01", "October"]}, "holidays.1", "value"),
        ("calendars", {"id": "c", "workdays": ["2026-10-32"]}, "workdays.0", "value"),
        ("purposes", {"id": "p", "per_number_a_day": -1}, "per_number_a_day", "value"),
        ("lists", {"id": "l"}, "kind", "missing"),
        ("lists", {"id": "l", "kind": "grey"}, "kind", "type"),
        ("lists", {"id": "l", "kind": "vip", "purposes": ["marketing"]}, "purposes", "value"),
        ("lists", {"id": "l", "kind": "dnc", "answer": "busy"}, "answer", "value"),
        ("lists", {"id": "l", "kind": "black", "priority": 1}, "priority", "value"),
        ("pause_reasons", {"id": "no_answer", "name": "久未应答"}, "id", "value"),
        ("pause_reasons", {"id": "tea", "name": "茶", "longest_min": 1441}, "longest_min", "value"),
        ("wrap_up_codes", {"id": "tea", "name": " "}, "name", "value"),
        ("queues", {**QUEUE, "wrap_up_code": "sometimes"}, "wrap_up_code", "type"),
        ("queues", {**QUEUE, "wrap_up_code": "required", "wrap_up_s": 0}, "wrap_up_code", "value"),
        ("queues", {**QUEUE, "agent_order": "1001"}, "agent_order", "type"),
        ("queues", {**QUEUE, "screen_pop": "never"}, "screen_pop", "type"),
        ("calendars", {"id": "office", "override": "maybe"}, "override", "type"),
        ("colours", {}, "", "unknown"),
    ],
)
def test_an_error_names_its_field(kind: str, body: Mapping[str, Any], field: str, code: str) -> None:
    assert [(error.field, error.code) for error in validate(kind, body)] == [(field, code)]


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("body", [[], "text", None, 1, {"id": None}, {"id": []}])
def test_anything_may_be_asked_about(kind: str, body: Any) -> None:
    assert validate(kind, body) or kind == "settings"


def test_a_good_document_comes_back_as_it_went() -> None:
    queue = Queue("sales", "销售", ring_s=15)
    assert from_json("queues", json.loads(json.dumps(to_json(queue)))) == queue
    trunk = demo.trunks(5080)[1]
    assert from_json("trunks", json.loads(json.dumps(to_json(trunk)))) == trunk
    with pytest.raises(ValueError, match="queues: name: it is required"):
        from_json("queues", {"id": "x"})
    assert isinstance(trunk, Trunk)


def test_a_model_is_one_that_we_know_or_none() -> None:
    for model in ("", *phones.MODELS):
        assert validate("phones", {**PHONE, "model": model}) == []
    (error,) = validate("phones", {**PHONE, "model": "Yealink"})
    assert "yealink, fanvil, grandstream, poly, baresip, browser" in error.message


def demo_kinds() -> dict[str, dict[str, dict[str, Any]]]:
    flow = json.loads(FLOW.read_text(encoding="utf-8"))
    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, body in [*demo.documents(5080), *demo.flow_documents(flow)]:
        kinds.setdefault(kind, {})[body["id"]] = body
    return kinds


def test_the_demo_world_is_valid_and_whole() -> None:
    kinds = demo_kinds()
    for kind, documents in kinds.items():
        for body in documents.values():
            assert validate(kind, json.loads(json.dumps(body))) == []
    assert references(kinds) == []
    assert set(kinds) == set(DOCUMENTS) - {"webhooks", "tokens"}  # no stranger has a right, none is told
    assert isinstance(from_json("flows", kinds["flows"]["main"]), Flow)


def test_the_demo_world_is_the_one_that_people_rely_on() -> None:
    kinds = demo_kinds()
    agents = kinds["agents"]
    assert {id for id in agents if "sales" in agents[id]["queues"]} == {*map(str, range(1001, 1061))}
    assert {id for id in agents if "support" in agents[id]["queues"]} == {*map(str, range(1050, 1101))}
    assert set(kinds["phones"]) == {*map(str, range(8001, 8101)), "8901", "8902"}
    assert len({agents[id]["name"] for id in agents}) == len(agents) == 102
    targets = {id: body["target"] for id, body in kinds["numbers"].items()}
    assert targets == {
        "4008001000": "ivr:main",
        "4008001001": "queue:sales",
        "4008001002": "queue:support",
        "4008001008": "conference:demo",
        "4008001009": "echo",
    }
    assert kinds["trunks"]["gw2"]["numbers"]["called_digits"] == 4
    assert kinds["trunks"]["gw1"]["numbers"]["landing"]["01088001000"] == "4008001000"
    assert len(demo.operators()) == 103
    # RFC 7616: MD5(user:realm:password)
    assert kinds["phones"]["8001"]["ha1"] == demo.ha1("8001", "demo-8001", "lcall")


def test_a_name_that_names_nothing_is_found_wherever_it_stands() -> None:
    kinds = demo_kinds()
    del kinds["queues"]["support"]
    fields = {error.field for error in references(kinds)}
    assert {"agents/1050/queues", "numbers/4008001002/target", "flows/main/nodes.support.queue"} <= fields
    kinds["phones"]["8001"]["forward"] = {"busy": "queue:support", "always": "phone:9999", "no_answer": "13800138000"}
    fields = {error.field for error in references(kinds)}
    assert {"phones/8001/forward.busy", "phones/8001/forward.always"} <= fields
    assert "phones/8001/forward.no_answer" not in fields
    kinds["numbers"]["4008001001"] |= {"calendar": "nights", "closed": "ivr:nights"}
    kinds["flows"]["main"]["nodes"]["hours"] = {"kind": "hours", "calendar": "nights", "open": "menu", "closed": "end"}
    fields = {error.field for error in references(kinds)}
    assert {"numbers/4008001001/calendar", "numbers/4008001001/closed", "flows/main/nodes.hours.calendar"} <= fields
    del kinds["flows"]["main"]
    assert "numbers/4008001000/target" in {error.field for error in references(kinds)}


def test_codes_stand_on_three_levels_and_never_below_themselves() -> None:
    kinds = demo_kinds()
    code = {"id": "x", "name": "x", "parent": "fault.network"}
    assert references({**kinds, "wrap_up_codes": {**kinds["wrap_up_codes"], "x": code}}) == []
    for parent, field in (("fault.network.slow", "parent"), ("x", "parent"), ("nothing", "parent")):
        codes = {**kinds["wrap_up_codes"], "x": {**code, "parent": parent}}
        assert [error.field for error in references({**kinds, "wrap_up_codes": codes})] == [f"wrap_up_codes/x/{field}"]
    circle = {"a": {"id": "a", "name": "a", "parent": "b"}, "b": {"id": "b", "name": "b", "parent": "a"}}
    assert len(references({"wrap_up_codes": circle})) == 2


def test_who_uses_a_thing_is_found() -> None:
    kinds = demo_kinds()
    found = users(kinds, "queues", "support")
    assert ("numbers", "4008001002", "target") in found and ("agents", "1050", "queues") in found
    assert ("flows", "main", "nodes.support.queue") in found and ("wrap_up_codes", "fault", "queues") in found
    assert users(kinds, "calendars", "office") == [] != users(kinds, "calendars", "decent")


def test_who_stands_in_the_order_of_a_queue_is_an_agent() -> None:
    kinds = demo_kinds()
    kinds["queues"]["sales"]["agent_order"] = ["1002", "7"]
    assert [error.field for error in references(kinds)] == ["queues/sales/agent_order"]
    assert ("queues", "sales", "agent_order") in users(kinds, "agents", "1002")


def test_who_is_named_by_a_token_is_not_forgotten() -> None:
    kinds = {**demo_kinds(), "tokens": {"t": {**TOKEN, "agents": ["1001", "7"], "queues": ["sales", "vip"]}}}
    assert {error.field for error in references(kinds)} == {"tokens/t/agents", "tokens/t/queues"}
    assert validate("webhooks", {**HOOK, "events": ["contact_ended", "recordings"]}) == []
    assert validate("webhooks", {**HOOK, "template": "zammad", "events": []}) == []
    assert validate("tokens", {**TOKEN, "agents": ["1001"]}) == []


def test_a_trunk_that_wants_us_registered() -> None:
    good = {"user": "+861088001000", "domain": "ims.example", "password": "secret", "expires_s": 600}
    trunk = {"id": "ims1", "address": "192.0.2.5", "register": good}
    assert validate("trunks", trunk) == []
    for field, bad in (("domain", ""), ("password", ""), ("expires_s", 5), ("user", 'a"b'), ("auth_user", "a;b")):
        assert [e.field for e in validate("trunks", {**trunk, "register": {**good, field: bad}})] == [
            f"register.{field}"
        ]
