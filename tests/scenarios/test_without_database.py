"""PostgreSQL hung: phones register and renew, Kamailio is killed and comes back, calls are placed (DESIGN §3)."""

from __future__ import annotations

import pytest

from tests.scenarios.faults import Scene, scene

__all__ = ["scene"]
pytestmark = pytest.mark.kills


@pytest.mark.slow
async def test_calls_go_on_without_the_database(scene: Scene) -> None:
    async with scene.phone("8001", answer_after_s=0.2) as phone:
        await scene.lq.sign_in("1001", "8001")
        scene.center.freeze("postgres")
        try:
            call = await scene.gateway.dial("13800138071", "4008001001")
            talk = await phone.rings(20)
            await talk.answered()
            call.say(440)
            await talk.say(990)
            await call.hears(990)
            await talk.hears(440)
            contacts = [await scene.contact("13800138071", "talking")]
            dead = scene.center.kill("kamailio")
            await scene.center.back("kamailio", dead)
            await call.hears(990, since=call.heard_s)  # RTP never passed there
            await call.hang_up()  # the dialog lives on
            await talk.ended()
            await scene.lq.wrap_up("1001", done=True)
            # bindings have survived: the same phone rings again, though it has not registered since
            call = await scene.gateway.dial("13800138072", "4008001001")
            again = await phone.rings(20)
            await again.answered()
            contacts.append(await scene.contact("13800138072", "talking"))
            async with scene.phone("8002"):  # another registers anew
                pass
            await call.hang_up()
            await again.ended()
        finally:
            scene.center.thaw("postgres")
        for contact in contacts:
            assert (await scene.cdr(contact)).result == "answered", "the books are written when it is back"
