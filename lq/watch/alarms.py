"""When is something an alarm? Pure: readings of all processes in, alarms raised and cleared out.

Each rule stands once in RULES. An alarm is about one process (or trunk, or place); it begins when its figure has been
beyond the limit for `after_s` and is over when it has been within it for CLEAR_S.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

Severity = Literal["critical", "major", "minor"]
Figures = Mapping[str, tuple[tuple[Mapping[str, str], float], ...]]  # metric -> (labels, value)…
Readings = Mapping[str, Figures | None]  # process -> what it says; None: it does not answer

CLEAR_S: Final = 5.0
STORES: Final = ("redis", "postgres", "disks", "certificates")
CERTIFICATE_SOON_S: Final = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    severity: Severity
    metric: str
    above: float
    after_s: float
    zh: str
    en: str
    do_zh: str  # what helps
    do_en: str
    label: str = ""  # the label that names what it is about, beside the process


@dataclass(frozen=True, slots=True)
class Alarm:
    id: str  # <rule>:<about>
    severity: Severity
    about: str
    since: int  # ms of the epoch
    value: float
    zh: str
    en: str
    do_zh: str
    do_en: str


DOWN: Final = Rule(
    "process_down", "critical", "", 0, 3,
    "进程没有应答", "a process does not answer",
    "查看它的日志：lcall logs {about}；守护进程会自动重启它", "see its log: lcall logs {about}; the runner starts it",
)  # fmt: skip

RULES: Final = (
    Rule(
        "servable_waiting", "critical", "lcall_oldest_servable_seconds", 3, 2,
        "有空闲坐席，来电却未分配", "a caller waits although an agent is ready",
        "查看 lq 节点日志与时钟；必要时重启最忙的节点", "look at the logs of the nodes; restart the busiest", "queue",
    ),
    Rule(
        "lease_late", "major", "lcall_lease_age_seconds", 1.5, 1,
        "节点的租约没有按时续期", "a node does not renew its lease in time",
        "检查 Redis 与该主机的负载", "check Redis, and the load of that host",
    ),
    Rule(
        "clock_set", "major", "lcall_clock_set_worst_seconds", 2, 0,
        "主机时钟被大幅调整", "the clock of a host was set",
        "检查该主机的时间同步（chronyc tracking）与硬件时钟",
        "check how that host keeps time (chronyc tracking), and its hardware clock",
    ),
    Rule(
        "clock_apart", "major", "lcall_redis_clock_apart_seconds", 1, 5,
        "节点主机与 Redis 主机的时钟不一致", "the clock of a node's host is not that of Redis's",
        "检查两台主机的时间同步（chronyc tracking）", "check how both hosts keep time (chronyc tracking)",
    ),
    Rule(
        "loop_late", "major", "lcall_loop_lag_p99_seconds", 0.25, 10,
        "进程来不及处理", "a process cannot keep up",
        "检查该主机的 CPU；增加节点", "check the CPU of that host; add a node",
    ),
    Rule(
        "loop_stuck", "critical", "lcall_loop_still_seconds", 5, 0,
        "进程卡住，不处理任何请求", "a process is stuck and handles nothing",
        "守护进程 30 秒后结束并重启它；卡在哪里见 lcall logs {about}",
        "the runner ends it after 30 s and starts it again; where it stood tells lcall logs {about}",
    ),
    Rule(
        "commits_slow", "major", "lcall_commit_p99_seconds", 0.1, 10,
        "写入 Redis 很慢", "writing into Redis is slow",
        "检查 Redis 主机的 CPU 与磁盘", "check CPU and disk of the Redis host",
    ),
    Rule(
        "live_away", "critical", "lcall_live_away", 0, 3,
        "Redis 不可用：通话继续，不再分配新来电", "Redis is away: calls go on, nobody is paired",
        "恢复 Redis；节点会自动补写", "bring Redis back; the nodes write again what they hold",
    ),
    Rule(
        "history_away", "major", "lcall_history_away", 0, 3,
        "PostgreSQL 不可用：通话不受影响，话单稍后补写", "PostgreSQL is away: calls go on, the books are written later",
        "恢复 PostgreSQL", "bring PostgreSQL back",
    ),
    Rule(
        "journal_late", "major", "lcall_journal_lag_seconds", 30, 5,
        "话单写入落后", "the journal is behind",
        "检查 PostgreSQL 的负载与磁盘", "check load and disk of PostgreSQL",
    ),
    Rule(
        "events_spilled", "major", "lcall_events_spilled_bytes", 0, 0,
        "数据库长时间不可用，事件暂存磁盘", "the database has been away for long: events wait on the disk",
        "恢复 PostgreSQL；journal 会自动补写", "bring PostgreSQL back; the journal catches up",
    ),
    Rule(
        "events_set_aside", "major", "lcall_events_set_aside_last_hour", 0, 0,
        "有事件无法入库，已另存", "events could not be stored and were set aside",
        "查看数据表 event_rejected 与 lcall logs journal", "see the table event_rejected, and lcall logs journal",
    ),
    Rule(
        "recordings_lost", "critical", "lcall_recordings_failed_last_hour", 0, 0,
        "有录音丢失", "recordings were lost",
        "查看通话列表中录音失败的通话，以及 lcall logs recorder",
        "see the calls whose recording failed in the call list, and lcall logs recorder",
    ),
    Rule(
        "redis_memory", "major", "lcall_redis_memory_ratio", 0.5, 5,
        "Redis 内存过半", "Redis has used half of its memory",
        "检查 journal 是否在写入；提高 maxmemory", "see whether the journal writes; raise maxmemory",
    ),
    Rule(
        "redis_full", "critical", "lcall_redis_memory_ratio", 0.9, 1,
        "Redis 内存将满：来电将被拒绝", "Redis is nearly full: calls will be refused",
        "立即提高 maxmemory", "raise maxmemory now",
    ),
    Rule(
        "redis_unwritten", "critical", "lcall_redis_unwritten", 0, 0,
        "Redis 写不进磁盘：不再分配来电，通话继续", "Redis cannot write to its disk: nobody is paired, calls go on",
        "清理 Redis 所在磁盘", "make room on the disk of Redis",
    ),
    Rule(
        "spool_old", "major", "lcall_spool_age_seconds", 600, 10,
        "录音没有及时转存", "recordings are not stored in time",
        "检查录音磁盘与 recorder 日志", "check the disk of the recordings, and the log of the recorder",
    ),
    Rule(
        "recorder_trouble", "major", "lcall_recorder_trouble", 0, 0,
        "录音服务有问题", "the recorder is in trouble",
        "查看 lcall logs recorder", "see lcall logs recorder", "trouble",
    ),
    Rule(
        "recorder_found", "major", "lcall_recorder_found_last_hour", 0, 0,
        "录音有损坏，或有来历不明的文件", "recordings are damaged, or files belong to none",
        "查看 lcall logs recorder，以及录音目录与 spool 下的 aside",
        "see lcall logs recorder, and aside in the spool and beside the recordings", "what",
    ),
    Rule(
        "disk_full", "major", "lcall_disk_used_ratio", 0.9, 0,
        "磁盘将满", "a disk is nearly full",
        "清理或扩容", "make room, or add some", "place",
    ),
    Rule(
        "certificate_ends", "major", "lcall_certificate_past_end_seconds", -CERTIFICATE_SOON_S, 0,
        "证书将在 30 天内到期", "a certificate ends within 30 days",
        "自签证书：重启呼叫中心即换新；自备证书：把新证书放入 tls/ 后重启",
        "the center's own: restart it, it makes a new one; yours: put it into tls/, and restart", "certificate",
    ),
    Rule(
        "certificate_over", "critical", "lcall_certificate_past_end_seconds", 0, 0,
        "证书已到期：浏览器电话与网页不可用", "a certificate has ended: browsers refuse phones and pages",
        "自签证书：重启呼叫中心即换新；自备证书：把新证书放入 tls/ 后重启",
        "the center's own: restart it, it makes a new one; yours: put it into tls/, and restart", "certificate",
    ),
    Rule(
        "mixer_late", "major", "lcall_mixer_late_p99_seconds", 0.01, 10,
        "混音器来不及处理：语音会断续", "the mixer cannot keep up: voices break up",
        "减少该主机的负载", "take load off that host",
    ),
    Rule(
        "outbox_old", "major", "lcall_outbox_age_seconds", 300, 10,
        "后台任务积压", "work of the background waits",
        "查看 lcall logs worker", "see lcall logs worker",
    ),
    Rule(
        "many_banned", "minor", "lcall_banned_addresses", 50, 10,
        "被封禁的地址很多：可能正受攻击", "many addresses are banned: perhaps an attack",
        "查看 lcall bans；在防火墙上挡住它们", "see lcall bans; keep them out at the firewall",
    ),
    Rule(
        "trunk_down", "major", "lcall_trunk_down", 0, 10,
        "中继不通", "a trunk does not answer",
        "检查网关电源、网络与 SIP 端口", "check power, network and SIP port of the gateway", "trunk",
    ),
    Rule(
        "trunk_full", "minor", "lcall_trunk_used_ratio", 0.9, 10,
        "中继线路将满", "a trunk is nearly full",
        "增加线路，或分流到其他中继", "add channels, or route to another trunk", "trunk",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watched:
    """What has been seen so far: since when (monotonic) each thing is beyond its limit, or within it again."""

    beyond: Mapping[str, float] = field(default_factory=dict)  # alarm id -> since
    within: Mapping[str, float] = field(default_factory=dict)
    raised: Mapping[str, Alarm] = field(default_factory=dict)


def step(watched: Watched, readings: Readings, now: float, today: float) -> tuple[Watched, list[Alarm], list[Alarm]]:
    """The next state, and the alarms that begin and that are over.

    `now`: monotonic, for a clock that is set must make no alarm late; `today`: the same moment, s of the epoch.
    """
    found = {alarm_id: (rule, about, value) for alarm_id, rule, about, value in _beyond(readings)}
    beyond = {id: watched.beyond.get(id, now) for id in found}
    raised, begun = dict(watched.raised), []
    for id, (rule, about, value) in found.items():
        if id in raised:
            raised[id] = replace(raised[id], value=value)
        elif now - beyond[id] >= rule.after_s:
            raised[id] = _alarm(id, rule, about, value, today - (now - beyond[id]))
            begun.append(raised[id])
    within = {id: watched.within.get(id, now) for id in raised if id not in found}
    over = [raised.pop(id) for id, since in within.items() if now - since >= CLEAR_S]
    within = {id: since for id, since in within.items() if id in raised}
    return Watched(beyond, within, raised), begun, over


def _beyond(readings: Readings) -> Iterable[tuple[str, Rule, str, float]]:
    for process, figures in readings.items():
        if figures is None:
            yield f"{DOWN.id}:{process}", DOWN, process, 1.0
            continue
        for rule in RULES:
            for labels, value in figures.get(rule.metric, ()):
                if value > rule.above:
                    about = _about(process, labels.get(rule.label, "") if rule.label else "")
                    yield f"{rule.id}:{about}", rule, about, value


def _about(process: str, thing: str) -> str:
    """What the stores tell of is a thing by itself: a trunk, a queue, a disk."""
    return thing if thing and process in STORES else f"{process} {thing}".strip()


def _alarm(id: str, rule: Rule, about: str, value: float, since: float) -> Alarm:
    return Alarm(
        id, rule.severity, about, int(since * 1000), round(value, 3),
        rule.zh, rule.en, rule.do_zh.format(about=about), rule.do_en.format(about=about),
    )  # fmt: skip
