"""Faults of the script itself: a call gets an answer and the log says which; a broken script is never started."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.kamailio.edge import LQ1, ROOT, SDP, edge
from tests.integration.live.center import documents

FAULTY = """

class Faulty(Edge):
    def _call_in(self):
        raise RuntimeError("a fault on purpose")

    def _from_device(self):
        raise RuntimeError("another fault on purpose")


def mod_init():
    return Faulty(Settings(**SETTINGS))
"""


@pytest.mark.slow
async def test_an_exception_is_answered_500_and_logged_with_the_call(tmp_path: Path) -> None:
    with edge(tmp_path) as sip:
        await sip.publish(documents())
        sip.start()
        sip.kill()
        script = sip.directory / "edge.py"
        head, _, settings = script.read_text().partition("Edge(Settings(**")
        text = head.replace("def mod_init():\n    return ", "SETTINGS = ") + settings.replace("))", "", 1) + FAULTY
        script.write_text(text)
        sip.run()
        gateway = sip.peer("gw", "127.0.1.1", sip.gateway)
        gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", call_id="call-of-the-fault", body=SDP))
        assert gateway.final().code == 500
        assert "call-of-the-fault" in sip.log and "RuntimeError: a fault on purpose" in sip.log

        # a fault while a reply passes keeps the reply; and everything else goes on
        phone, lq = sip.peer("8001"), sip.lq(LQ1)
        assert phone.register("demo-8001").code == 200
        lq.send(lq.request("INVITE", "sip:8001@phones.lq.internal", user="lq", body=SDP))
        phone.answer(phone.expect("INVITE"), 180, "Ringing")
        lq.expect(180)
        assert "another fault on purpose" in sip.log


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("kamailio/kemi.py", "class Edge:", "class Edge", "SyntaxError"),
        (
            "kamailio/kemi.py",
            "from kamailio.keeper import Keeper",
            "from kamailio.keeper import Keepers",
            "ImportError",
        ),
        (
            "kamailio/kemi.py",
            "def ksr_failure_owner",
            "def ksr_failure_nobody",
            "ksr_failure_owner named but not written",
        ),
        ("lq/live/keys.py", "TAG: Final", "import nothing_of_that_name\n\nTAG: Final", "ModuleNotFoundError"),
    ],
)
def test_a_broken_script_is_refused_before_the_start(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    checkout = tmp_path / "checkout"
    for folder in ("kamailio", "lq"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("prompts", "__pycache__"))
    broken = checkout / file
    assert old in broken.read_text()
    broken.write_text(broken.read_text().replace(old, new, 1))
    environ = {
        "PATH": "/usr/bin:/bin",
        "LCALL_HOME": str(tmp_path),
        "LCALL_REDIS_URL": "redis://127.0.0.1:1/0",
        "KAMAILIO_SIP": "127.0.0.1:5060",
        "KAMAILIO_INTERNAL": "127.0.0.1:15060",
    }
    done = subprocess.run(
        [sys.executable, "-m", "kamailio.render", str(tmp_path / "edge")],
        cwd=checkout, env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the edge script is broken" in done.stderr and said in done.stderr
