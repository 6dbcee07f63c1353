"""One center for a whole test session, shared by all xdist workers; kill tests start centers of their own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path, PurePath
from typing import Any, Final

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

from ops import trace
from tests.center import Center, reserve

DIRECTORY: Final = "LCALL_TEST_DIRECTORY"  # of the session; workers inherit it
CONTROLLER: Final = "LCALL_TEST_CONTROLLER"  # pid of the process whose end ends the session
FIRST: Final = ("architecture", "unit", "contract", "model", "integration", "scenarios")
ONE_AFTER_ANOTHER: Final = {  # files of scenarios that one worker has
    "houses": (  # they share a center of their own (scenarios/house.py)
        "test_verbs_after.py", "test_verbs_cancel.py", "test_verbs_glare.py", "test_verbs_lossy.py",
        "test_verbs_nodes.py", "test_verbs_races.py",
    ),
    "telephones": (  # each test locks what the next one needs
        "test_at_the_phone.py", "test_calling_in.py", "test_codes.py", "test_forwarding.py", "test_gate.py",
        "test_mobile.py", "test_outgoing.py", "test_placing.py", "test_verbs_*.py",
    ),
    "lines": (  # they share queues: a call of one would go to the agent of another
        "test_both_phones.py", "test_browser_phone.py", "test_desk.py", "test_desk_buttons.py", "test_first_call.py",
        "test_joining.py",
        "test_menu.py", "test_odd_callers.py", "test_offers.py", "test_pause.py", "test_strategies.py", "test_talk.py",
        "test_trace.py", "test_transports.py", "test_web.py",
    ),
}  # fmt: skip
NO_PHONES: Final = (  # nobody's ear is in it
    "tests/architecture/", "tests/integration/ledger/", "tests/integration/live/", "tests/integration/web/",
    "tests/model/", "tests/unit/",
)  # fmt: skip
LADDERS: Final = 5
ARTIFACTS: Final = Path(__file__).resolve().parent.parent / "artifacts"
_left_open: dict[tuple[int, str], str] = {}  # (descriptor, what it is) → the first test after which it was there

hypothesis.settings.register_profile("house", deadline=None)  # how fast it is depends on who else works here
hypothesis.settings.load_profile("house")


class OwnCenter:
    """Centers that the test may do anything to: `own_center()`, or with LCALL_ONLY="redis,…" a part of one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.made: list[Center] = []

    def __call__(self, **environ: str) -> Center:
        center = self.reserved(**environ)
        center.start(together_with=os.getpid())
        return center

    def reserved(self, **environ: str) -> Center:
        """Not started yet."""
        center = reserve(self._directory / f"c{len(self.made)}", environ)
        self.made.append(center)
        return center


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        if has_no_phones(config.workerinput["workerid"], config.workerinput["workercount"]):
            os.nice(10)
        return
    directory = tempfile.mkdtemp(prefix="lcall-test-", dir="/tmp")  # short: UNIX sockets below it
    os.chmod(directory, 0o755)  # PostgreSQL runs as another user when we are root
    os.environ[DIRECTORY] = directory
    os.environ[CONTROLLER] = str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    """In the controller, after the last worker: the shared center ends, and nothing is left."""
    if hasattr(config, "workerinput") or DIRECTORY not in os.environ:
        return
    directory = Path(os.environ.pop(DIRECTORY))
    if (directory / "center.json").exists():
        _attached(directory).stop()
    shutil.rmtree(directory)


def has_no_phones(worker: str, workers: int) -> bool:
    """Of three workers the last has what nobody listens to, at a lower priority: what the others have mostly waits."""
    return workers > 2 and worker == f"gw{workers - 1}"


class Scheduling(LoadScopeScheduling):
    """Each test goes to whoever is free, but all that want the same lines and gateways to one worker, and so those of
    a file whose services would be started twice."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        wanted = has_no_phones(node.gateway.id, self.numnodes)
        fits = next((scope for scope in self.workqueue if scope.startswith(NO_PHONES) == wanted), None)
        if fits is None and wanted:
            node.shutdown()
            return
        if fits is not None:
            self.workqueue.move_to_end(fits, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return group_of(file) or (file if "integration" in PurePath(file).parts else nodeid)


def group_of(file: str) -> str:
    """In ONE_AFTER_ANOTHER; "": in none."""
    for group, patterns in ONE_AFTER_ANOTHER.items():
        if any(PurePath(file).match(f"scenarios/{pattern}") for pattern in patterns):
            return group
    return ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs nothing comes first; unit tests may leave no task behind."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return FIRST.index(folder) if folder in FIRST else len(FIRST)

    items.sort(key=place)
    for item in items:
        if "unit" in item.path.parts and isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.append("no_task_left")


def pytest_collection_finish() -> None:
    """Eight thousand tests are looked through for garbage no more: while that goes on no phone of ours says a word."""
    gc.collect()
    gc.freeze()


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if not task.done() and task is not asyncio.current_task()]
    assert not left, f"the test left tasks behind: {left}"


# -- centers -----------------------------------------------------------------------------------------------------------


def _attached(directory: Path) -> Center:
    return Center(directory / "center", json.loads((directory / "center.json").read_text())["port_base"])


@pytest.fixture(scope="session")
def center() -> Iterator[Center]:
    """The session's center, with the demo world; whoever needs it first starts it. Do not kill anything in it."""
    directory = Path(os.environ[DIRECTORY])
    with (directory / "center.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "center.json").exists():
            started = reserve(directory / "center")
            started.start(together_with=int(os.environ[CONTROLLER]))
            started.leave()
            (directory / "center.json").write_text(json.dumps({"port_base": started.port_base}))
            found = started
        else:
            found = _attached(directory)
    yield found


@pytest.fixture
def own_center() -> Iterator[OwnCenter]:
    directory = Path(tempfile.mkdtemp(prefix="own-", dir=os.environ[DIRECTORY]))
    directory.chmod(0o755)
    centers = OwnCenter(directory)
    yield centers
    for center in centers.made:
        center.stop()
    shutil.rmtree(directory)


# -- what a failure leaves ---------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and call.when != "teardown":
        for center in _centers(getattr(item, "funcargs", {})):
            report.sections += [(f"{center.path.name}: {name}", text) for name, text in center.logs().items()]
            _keep(center, item.nodeid)
        if "unclosed" in report.longreprtext:  # found by the garbage collector, perhaps in another test than left it
            lines = [f"{fd}: {test}" for (fd, _), test in sorted(_left_open.items())]
            report.sections.append(("descriptor: the test that left it open", "\n".join(lines)))
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    yield
    here = Path("/proc/self/fd")
    for name in os.listdir(here):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            _left_open.setdefault((int(name), os.readlink(here / name)), item.nodeid)


def _centers(arguments: dict[str, Any]) -> list[Center]:
    own = arguments.get("own_center")
    made = own.made if isinstance(own, OwnCenter) else []
    return [*(value for value in arguments.values() if isinstance(value, Center)), *made]


def _keep(center: Center, test: str) -> None:
    """Whole logs, the spool's captures, SIP traces, and the ladders of the last calls, for whoever looks later."""
    place = ARTIFACTS / re.sub(r"[^\w.-]+", "_", test)[-120:] / center.path.name
    for source in (center.home.log, center.home.spool / "pcaps", center.home.trace):
        if source.exists():
            shutil.copytree(source, place / source.name, dirs_exist_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    if (up := center.path / "up.log").exists():
        shutil.copy(up, place)
    for contact in trace.contacts(center.home.trace)[-LADDERS:]:
        words = [sys.executable, "-m", "ops.cli", "trace", contact]
        with contextlib.suppress(subprocess.TimeoutExpired):  # of a center that hangs, which is why we are here
            shown = subprocess.run(words, env=center.environment, capture_output=True, check=False, timeout=20)
            (place / f"{contact}.txt").write_bytes(shown.stdout or shown.stderr)
