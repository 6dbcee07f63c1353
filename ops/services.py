"""The service table: what a center on one machine consists of. Pure: it reads no file and starts nothing."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Final

from ops import probes
from ops.home import CHECKOUT, Home, Secrets
from ops.owners import Listener
from ops.ports import Ports, RtpEngine
from ops.probes import Probe
from ops.redis_files import REDIS_MB

NODES: Final = ("lq1", "lq2")
METERED: Final = (*NODES, "mixer", "api", "journal", "worker", "recorder", "web", "watch")  # by LCALL_METRICS
DATABASE: Final = "lcall"
SYSTEM_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
NAMES: Final = "KAMAILIO_NAMES"  # of the center beside its address, for the edge's certificate
TRACING: Final = ("LQ_HEP", "LQ_TRACE_MB")  # of whoever starts the center, to the nodes
KEPT: Final = ("PATH", "LANG", "HOME", "USER", "TZ", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Instance:
    """One center on this machine."""

    home: Home
    port_base: str  # LCALL_PORT_BASE, "" = the demo world's addresses
    demo: str  # LCALL_DEMO: "open" lets the demo world out of loopback, "none" begins a new center without it
    ports: Ports
    secrets: Secrets
    database_user: str  # whom PostgreSQL runs as, "" = as ourselves
    postgres_bin: Path
    redis_mb: int = REDIS_MB


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    argv: tuple[str, ...]
    ready: Probe | None  # None: a step that is done when it has ended well
    needs: tuple[str, ...] = ()  # ready before its first start; nothing is waited for when it comes back
    address: str = ""  # shown
    listens: tuple[Listener, ...] = ()  # must be free before the center starts
    environment: Mapping[str, str] = field(default_factory=dict)
    before: tuple[tuple[str, ...], ...] = ()  # commands run to their end before each start
    stop: Signals = SIGTERM
    grace_s: float = 10.0
    again_s: float = math.inf  # between requests to stop, for a program that may miss one
    user: str = ""
    node: bool = False  # an lq node: its lease ends with it
    vital: bool = False  # without it no call comes in
    alive: Probe | None = None  # asked all its life: who gives no sign for long hangs, and is ended

    @property
    def once(self) -> bool:
        return self.ready is None


def services(instance: Instance) -> tuple[Service, ...]:
    """All services, each after those that it needs."""
    table = (
        *_stores(instance),
        *_media(instance),
        *_steps(instance),
        _kamailio(instance),
        *(_node(instance, n, name) for n, name in enumerate(NODES, start=1)),
        *_business(instance),
        _watch(instance),
    )
    return tuple(_metered(instance, service) if service.name in METERED else service for service in table)


def _metered(instance: Instance, service: Service) -> Service:
    """It serves its figures, and whether it lives, at a port of its own."""
    address = metrics_address(instance, service.name)
    port = int(address.rpartition(":")[2])
    return replace(
        service,
        environment={**service.environment, "LCALL_METRICS": address},
        listens=(*service.listens, ("tcp", port)),
        alive=probes.Http(port, "/alive"),
    )


def metrics_address(instance: Instance, name: str) -> str:
    """Where this service's figures are."""
    engines = (engine.name for engine in instance.ports.all_rtpengines)
    return _local(instance.ports.metrics_first + (*METERED, *engines).index(name))


def selected(table: Iterable[Service], only: str) -> tuple[Service, ...]:
    """The services named in `only` (comma-separated; empty: all), needing each other only.

    Raises ValueError for a name that is not in the table.
    """
    table = tuple(table)
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    unknown = wanted - {service.name for service in table}
    if unknown:
        raise ValueError(f"LCALL_ONLY names no service: {', '.join(sorted(unknown))}")
    if not wanted:
        return table
    return tuple(service for service in table if service.name in wanted)


def environment(instance: Instance, own: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a process gets: a few variables of ours, LCALL_HOME, and its own. Nobody sees another's password."""
    return {
        **{name: environ[name] for name in KEPT if name in environ},
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONSAFEPATH": "1",  # they run in LCALL_HOME, where directories have the names of packages
        "PYTHONDONTWRITEBYTECODE": "1",  # the checkout is not ours to write to
        "PYTHONUNBUFFERED": "1",
        "LCALL_HOME": str(instance.home.path),
        **own,
    }


def redis_url(instance: Instance, user: str) -> str:
    return f"redis://{user}:{instance.secrets.redis[user]}@127.0.0.1:{instance.ports.redis}/0"


def postgres_dsn(instance: Instance) -> str:
    return f"postgresql://lcall:{instance.secrets.postgres}@127.0.0.1:{instance.ports.postgres}/{DATABASE}"


def api_variables(instance: Instance) -> dict[str, str]:
    """What a client of LQ-SDK needs."""
    return {
        "LCALL_API": f"http://127.0.0.1:{instance.ports.api}",
        "LCALL_SDK_TOKEN_FILE": str(instance.home.sdk_token),
    }


# -- the table ---------------------------------------------------------------------------------------------------------


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *words)


def _both(*ports: int) -> tuple[Listener, ...]:
    """SIP: UDP and TCP."""
    return tuple(listener for port in ports for listener in (("udp", port), ("tcp", port)))


def _local(port: int) -> str:
    return f"127.0.0.1:{port}"


def _outside(ports: Ports, port: int) -> str:
    return f"{ports.outside}:{port}"


def _stores(instance: Instance) -> tuple[Service, ...]:
    home, ports = instance.home, instance.ports
    return (
        Service(
            "postgres",
            (
                str(instance.postgres_bin / "postgres"),
                *("-D", str(home.postgres / "data"), "-p", str(ports.postgres)),
                *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home.postgres}"),
            ),
            probes.Postgres(home.postgres, ports.postgres, "lcall", DATABASE),
            address=_local(ports.postgres),
            listens=(("tcp", ports.postgres),),
            environment={"LC_ALL": "C.UTF-8"},
            stop=SIGINT,  # "fast": ends sessions; SIGTERM would wait for them
            grace_s=20,
            user=instance.database_user,
        ),
        Service(
            "redis",
            ("redis-server", str(home.redis / "redis.conf")),
            probes.Redis(ports.redis, "ops", instance.secrets.redis["ops"]),
            address=_local(ports.redis),
            listens=(("tcp", ports.redis),),
            vital=True,
        ),
        Service(
            "redis-rtpengine",
            ("redis-server", str(home.redis_rtpengine / "redis.conf")),
            probes.Redis(ports.redis_rtpengine),
            address=_local(ports.redis_rtpengine),
            listens=(("tcp", ports.redis_rtpengine),),
            vital=True,
        ),
    )


def _media(instance: Instance) -> tuple[Service, ...]:
    home, ports = instance.home, instance.ports
    return (
        *(_rtpengine(instance, engine) for engine in ports.all_rtpengines),
        Service(
            "mixer",
            _python("lq.media.mixer"),
            probes.Mixer(home.run / "mixer.sock"),
            address=_local(ports.mixer_rtp),
            listens=(("udp", ports.mixer_rtp),),
            environment=_mixer_variables(instance),
            vital=True,
        ),
    )


def _rtpengine(instance: Instance, engine: RtpEngine) -> Service:
    return Service(
        engine.name,
        rtpengine(instance, engine),
        probes.Ng(engine.ng),
        needs=("redis-rtpengine",),
        address=_local(engine.ng),
        listens=(
            *(("udp", engine.ng), ("tcp", engine.ng_tcp), ("tcp", engine.cli)),
            ("tcp", int(metrics_address(instance, engine.name).rpartition(":")[2])),
        ),
        vital=True,
    )


def rtpengine(instance: Instance, engine: RtpEngine) -> tuple[str, ...]:
    """The command line; the reason for each option stands in rtpengine/README.md."""
    return (
        "rtpengine",
        "--config-file=none",  # Debian's /etc/rtpengine/rtpengine.conf would be read, and its ports taken
        "--table=-1",  # no kernel module
        "--foreground",
        "--log-stderr",
        "--log-level=5",
        f"--interface={instance.ports.outside}",
        f"--listen-ng={_local(engine.ng)}",
        f"--listen-tcp-ng={_local(engine.ng_tcp)}",
        "--dtmf-log-ng-tcp",  # each key to every lq
        f"--listen-cli={_local(engine.cli)}",
        f"--listen-http={metrics_address(instance, engine.name)}",
        f"--port-min={engine.rtp_first}",
        f"--port-max={engine.rtp_last}",
        f"--recording-dir={instance.home.spool_of(engine.n)}",
        "--recording-method=pcap",
        "--recording-format=raw",
        "--timeout=3600",  # it counts RTP heard only: 60 s would cut a silent caller off a prompt
        "--silent-timeout=3600",
        "--endpoint-learning=heuristic",  # of those who send, whom the description names is the phone
        "--delete-delay=0",
        f"--redis={_local(instance.ports.redis_rtpengine)}/{engine.n}",
        "--no-redis-required",  # a Redis that hangs or is gone costs 0.2 s once, not every call
        "--redis-cmd-timeout=100",
        "--redis-connect-timeout=100",
        "--redis-allowed-errors=2",
        "--redis-disable-time=5",
    )


def _spools(instance: Instance) -> dict[str, str]:
    """One for each rtpengine, in their order."""
    return {"LCALL_SPOOL": ":".join(str(instance.home.spool_of(each.n)) for each in instance.ports.all_rtpengines)}


def _mixer_variables(instance: Instance) -> dict[str, str]:
    return {
        "LQ_MIXER": str(instance.home.run / "mixer.sock"),
        "LQ_MIXER_RTP": _local(instance.ports.mixer_rtp),
        "LQ_PROMPTS": f"{instance.home.prompts}:{CHECKOUT / 'lq/media/prompts'}",
    }


def _steps(instance: Instance) -> tuple[Service, ...]:
    dsn = {"LCALL_POSTGRES_DSN": postgres_dsn(instance)}
    seed = {
        **dsn,
        "LCALL_REDIS_URL": redis_url(instance, "api"),
        "LCALL_GATEWAY_PORT": str(instance.ports.gateway),
        "LCALL_ADDRESS": instance.ports.outside,
        "LCALL_DEMO": instance.demo,
    }
    return (
        Service("migrate", _python("ops.migrate"), None, needs=("postgres",), environment=dsn),
        Service("seed", _python("lq.config.seed"), None, needs=("migrate", "redis"), environment=seed),
        Service("certificates", _python("kamailio.certificates"), None, environment=_names(instance), vital=True),
    )


def _names(instance: Instance) -> dict[str, str]:
    """Under which the center is known: what its certificate must say."""
    return {
        "KAMAILIO_SIP": _outside(instance.ports, instance.ports.sip),
        NAMES: os.environ.get(NAMES, ""),
    }


def _tls(instance: Instance, variable: str, port: int) -> dict[str, str]:
    """Where a server is reached from outside, by the center's certificate."""
    return {variable: _outside(instance.ports, port), "LCALL_TLS": str(instance.home.tls)}


def _kamailio(instance: Instance) -> Service:
    home, ports = instance.home, instance.ports
    run = str(home.kamailio)
    return Service(
        "kamailio",
        (
            "kamailio",
            *("-f", str(home.kamailio / "kamailio.cfg"), "-DD", "-E"),
            # no -P: with a pid file that is empty or says somebody's who lives it does not start (daemonize.c)
            *("-Y", run, "-w", run, "-m", "512", "-M", "16"),
        ),
        probes.Sip(ports.sip, ports.outside),
        needs=("redis", "certificates"),
        address=_outside(ports, ports.sip),
        listens=(
            *_both(ports.sip, ports.sip_internal),
            *(("tcp", port) for port in (ports.sip_tls, ports.sip_wss, ports.sip_ws)),
        ),
        environment={
            **_names(instance),
            "PATH": SYSTEM_PATH,  # or the Python in it takes the library of whatever python3 stands first
            "KAMAILIO_TLS": _outside(ports, ports.sip_tls),
            "KAMAILIO_WSS": _outside(ports, ports.sip_wss),
            "KAMAILIO_WS": _local(ports.sip_ws),
            "KAMAILIO_INTERNAL": _local(ports.sip_internal),
            "LCALL_REDIS_URL": redis_url(instance, "kamailio"),
        },
        # Each time: a script that does not import must not take the place of one that runs.
        before=(_python("kamailio.render", run),),
        again_s=1.0,  # it looks whether a signal came, then pauses until the next: one between the two is lost (main.c)
        vital=True,
    )


def _node(instance: Instance, n: int, name: str) -> Service:
    port, engines = instance.ports.lq_first + n, instance.ports.all_rtpengines
    return Service(
        name,
        _python("lq.node", name),
        probes.Sip(port),
        needs=("redis", *(engine.name for engine in engines), "mixer"),
        address=_local(port),
        listens=_both(port),
        environment={
            "LQ_NODE": name,
            "LQ_SIP": _local(port),
            "LQ_EDGE": _local(instance.ports.sip_internal),
            "LQ_NG": ",".join(_local(engine.ng) for engine in engines),
            "LQ_NG_TCP": ",".join(_local(engine.ng_tcp) for engine in engines),
            **_spools(instance),
            "LCALL_REDIS_URL": redis_url(instance, "lq"),
            **_mixer_variables(instance),
            **{name: os.environ[name] for name in TRACING if name in os.environ},
        },
        node=True,
        vital=True,
    )


def _business(instance: Instance) -> tuple[Service, ...]:
    home, ports = instance.home, instance.ports
    dsn = {"LCALL_POSTGRES_DSN": postgres_dsn(instance)}
    recordings = {"LCALL_RECORDINGS": str(home.recordings)}
    return (
        Service(
            "api",
            _python("lq.api"),
            probes.Http(ports.api, "/v1/health"),
            needs=("redis", "migrate", "certificates"),
            address=f"http://{_local(ports.api)}",
            listens=(("tcp", ports.api), ("tcp", ports.api_tls)),
            environment={
                **dsn,
                **recordings,
                **_tls(instance, "LCALL_API_TLS", ports.api_tls),
                "LCALL_REDIS_URL": redis_url(instance, "api"),
                "LCALL_API_LISTEN": _local(ports.api),
                "LCALL_WATCH": f"http://{metrics_address(instance, 'watch')}",
                "LCALL_SDK_TOKEN_FILE": str(home.sdk_token),
            },
        ),
        Service(
            "journal",
            _python("lq.ledger.journal"),
            probes.Touched(home.run / "journal.ready"),
            needs=("redis", "migrate"),
            environment={**dsn, "LCALL_REDIS_URL": redis_url(instance, "journal")},
        ),
        Service(
            "worker",
            _python("lq.worker"),
            probes.Touched(home.run / "worker.ready"),
            needs=("migrate",),
            environment=dsn,
        ),
        Service(
            "recorder",
            _python("recorder"),
            probes.Touched(home.run / "recorder.ready"),
            needs=("redis",),
            environment={
                **recordings,
                **_spools(instance),
                "LCALL_REDIS_URL": redis_url(instance, "recorder"),
            },
        ),
        Service(
            "web",
            _python("lcall_web"),
            probes.Http(ports.web, "/healthz"),
            needs=("migrate", "certificates"),
            address=f"http://{_local(ports.web)}",
            listens=(("tcp", ports.web), ("tcp", ports.web_tls)),
            environment={
                **dsn,
                **api_variables(instance),
                **_tls(instance, "LCALL_WEB_TLS", ports.web_tls),
                "LCALL_WEB_LISTEN": _local(ports.web),
                "LCALL_EDGE": f"ws:{ports.sip_ws} wss:{ports.sip_wss}",
                "LCALL_DEMO": instance.demo,
            },
        ),
    )


def _watch(instance: Instance) -> Service:
    """It looks at everything and needs nothing: what is not there is its news."""
    engines = (engine.name for engine in instance.ports.all_rtpengines)
    watched = (name for name in (*METERED, *engines) if name != "watch")
    ports = instance.ports
    shown = {"edge": ports.sip_wss, "web": ports.web_tls, "api": ports.api_tls}
    return Service(
        "watch",
        _python("lq.watch"),
        probes.Touched(instance.home.run / "watch.ready"),
        address=f"http://{metrics_address(instance, 'watch')}/alarms",
        environment={
            "LCALL_POSTGRES_DSN": postgres_dsn(instance),
            "LCALL_REDIS_URL": redis_url(instance, "watch"),
            "LCALL_RECORDINGS": str(instance.home.recordings),
            "LCALL_PINGED": f"redis-rtpengine=redis://{_local(ports.redis_rtpengine)}/0",
            "LCALL_EDGE_RPC": str(instance.home.kamailio / "rpc.sock"),
            "LCALL_CERTIFICATES": ",".join(f"{name}={_outside(ports, port)}" for name, port in shown.items()),
            "LCALL_WATCHED": ",".join(f"{name}=http://{metrics_address(instance, name)}/metrics" for name in watched),
        },
    )
