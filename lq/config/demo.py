"""The demo world: a center with a hundred agents, two queues and two gateways, the same at every place. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from lq.config.documents import (
    AccessNumber,
    Agent,
    Calendar,
    Conference,
    NumberList,
    NumberRule,
    PauseReason,
    Phone,
    Purpose,
    Queue,
    Route,
    Settings,
    Trunk,
    WrapUpCode,
)
from lq.config.validation import to_json

AGENTS: Final = range(1001, 1101)
LEADERS: Final = ("1901", "1902")
SALES: Final = range(1001, 1061)
SUPPORT: Final = range(1050, 1101)
PHONES: Final = (*range(8001, 8101), 8901, 8902)
OUT: Final = tuple(f"0108800{n}" for n in range(1000, 1010))  # may call out
LANDING: Final = {f"0108800{n}": f"400800{n}" for n in range(1000, 1010)}

WORKDAYS: Final = ("mon", "tue", "wed", "thu", "fri")
EVERY_DAY: Final = (*WORKDAYS, "sat", "sun")
# the holidays of 2026 and the weekends worked for them (国务院办公厅, 2025-11)
HOLIDAYS: Final = (
    *("2026-01-01/2026-01-03", "2026-02-15/2026-02-23", "2026-04-04/2026-04-06", "2026-05-01/2026-05-05"),
    *("2026-06-19/2026-06-21", "2026-09-25/2026-09-27", "2026-10-01/2026-10-07"),
)
WORKED: Final = ("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10")
CALENDARS: Final = (
    Calendar("office", "工作时间", dict.fromkeys(WORKDAYS, ("09:00-18:00",)), HOLIDAYS, WORKED),
    Calendar("decent", "可营销时段", dict.fromkeys(EVERY_DAY, ("09:00-12:00", "14:00-20:00"))),
)
PURPOSES: Final = (
    Purpose("service", "服务"),
    Purpose("marketing", "营销", calendar="decent", per_number_a_day=1),
    Purpose("notification", "通知", per_number_a_day=3),
    Purpose("collection", "催收", calendar="decent", per_number_a_day=3),
)
LISTS: Final = (
    NumberList("dnc", "dnc", "免打扰名单", purposes=("marketing", "collection")),
    NumberList("black", "black", "黑名单"),
    NumberList("white", "white", "白名单"),
    NumberList("vip", "vip", "重要客户", priority=5),
)

PAUSE_REASONS: Final = (
    PauseReason("break", "小休", "Break", 10, longest_min=15),
    PauseReason("meal", "用餐", "Meal", 20, longest_min=60),
    PauseReason("training", "培训", "Training", 30),
    PauseReason("meeting", "会议", "Meeting", 40),
)
WRAP_UP_CODES: Final = (
    WrapUpCode("order", "订购", "Order", queues=("sales",), order=10),
    WrapUpCode("order.new", "新订单", "New order", "order", order=10),
    WrapUpCode("order.change", "修改订单", "Change of an order", "order", order=20),
    WrapUpCode("price", "询价", "Price", queues=("sales",), order=20),
    WrapUpCode("fault", "故障", "Fault", queues=("support",), order=30),
    WrapUpCode("fault.network", "网络", "Network", "fault", order=10),
    WrapUpCode("fault.network.slow", "网速慢", "Slow", "fault.network", order=10),
    WrapUpCode("fault.network.down", "断网", "Down", "fault.network", order=20),
    WrapUpCode("fault.device", "设备", "Device", "fault", order=20),
    WrapUpCode("complaint", "投诉", "Complaint", order=40),
    WrapUpCode("other", "其他", "Other", order=50),
)

_SURNAMES: Final = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗"
_GIVEN: Final = ("芳", "伟", "秀英", "娜", "敏", "静", "强", "磊", "洋", "艳")
_LEADER_NAMES: Final = ("沈月华", "顾志远")
TEAM: Final = ("客服部", ("sales", "support"))  # all agents and both leaders are in it


def name_of(agent: int) -> str:
    """Each of the hundred agents has a name of his own."""
    n = agent - AGENTS.start
    return _SURNAMES[n % len(_SURNAMES)] + _GIVEN[(n + n // len(_SURNAMES)) % len(_GIVEN)]


def ha1(user: str, password: str, realm: str = "lcall") -> str:
    """RFC 7616 §3.4.2, algorithm MD5: what the phones of today speak."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()


def documents(gateway_port: int) -> list[tuple[str, dict[str, Any]]]:
    """All documents of the demo world but the flow, as (kind, body)."""
    found: list[tuple[str, Any]] = [
        ("settings", Settings(demo=True)),
        ("queues", Queue("sales", "销售", "Sales")),
        ("queues", Queue("support", "技术支持", "Support")),
        *(("agents", agent) for agent in _agents()),
        *(("phones", Phone(str(ext), ha1(str(ext), f"demo-{ext}"), calls="national")) for ext in PHONES),
        *(("trunks", trunk) for trunk in trunks(gateway_port)),
        ("routes", Route("outside", ("gw1", "gw2"), "外呼", caller_id=OUT[0], recording="talk")),
        *(("calendars", calendar) for calendar in CALENDARS),
        *(("purposes", purpose) for purpose in PURPOSES),
        *(("lists", one) for one in LISTS),
        *(("pause_reasons", reason) for reason in PAUSE_REASONS),
        *(("wrap_up_codes", code) for code in WRAP_UP_CODES),
        ("numbers", AccessNumber("4008001001", "queue:sales", "销售热线")),
        ("numbers", AccessNumber("4008001002", "queue:support", "技术支持热线")),
        (
            "conferences",
            Conference("demo", "演示会议", pin="1234", host_pin="4321", end_with_host=True, calls="national"),
        ),
        ("numbers", AccessNumber("4008001008", "conference:demo", "会议接入号", recording="none")),
        ("numbers", AccessNumber("4008001009", "echo", "回声测试", recording="none")),
    ]
    return [(kind, to_json(document)) for kind, document in found]


def flow_documents(flow: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The main menu, and the number that leads to it."""
    return [("flows", dict(flow)), ("numbers", to_json(AccessNumber("4008001000", f"ivr:{flow['id']}", "客服热线")))]


def trunks(gateway_port: int) -> list[Trunk]:
    whole = NumberRule(area_code="10", landing=LANDING)
    short = NumberRule(area_code="10", called_digits=4, caller_digits=8, landing=LANDING)
    return [
        Trunk("gw1", "127.0.1.1", gateway_port, "E1 网关一", numbers=whole, caller_ids=OUT),
        Trunk("gw2", "127.0.1.2", gateway_port, "E1 网关二", numbers=short, caller_ids=OUT),
    ]


def _agents() -> list[Agent]:
    found = []
    for n in AGENTS:
        queues = tuple(queue for queue, serves in (("sales", SALES), ("support", SUPPORT)) if n in serves)
        found.append(Agent(str(n), name_of(n), queues))
    leaders = zip(LEADERS, _LEADER_NAMES, strict=True)
    return [*found, *(Agent(id, name) for id, name in leaders)]


def operators() -> list[tuple[str, str, str, str]]:
    """Who may use the web: id, name, role, password."""
    roles = dict.fromkeys(LEADERS, "leader")
    found = [(agent.id, agent.name, roles.get(agent.id, "agent"), f"demo-{agent.id}") for agent in _agents()]
    return [*found, ("admin", "系统管理员", "admin", "demo-admin")]
