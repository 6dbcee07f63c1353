"""Access numbers keep hours: holidays, worked weekends, the emergency switch of the calendar (应急开关)."""

from __future__ import annotations

from typing import Any

from lq.config.documents import AccessNumber, Calendar
from lq.config.validation import to_json
from tests.center import Center
from tests.scenarios.conftest import Scene, is_read

NUMBER, CALENDAR = "4008007099", "scene-hours"


async def _put(scene: Scene, center: Center, kind: str, id: str, body: Any) -> None:
    await scene.lq.put_document(kind, id, body)
    await is_read(center, (await scene.lq.health()).config_version)


async def test_the_emergency_switch_closes_a_number_and_opens_it_again(scene: Scene, center: Center) -> None:
    hours = to_json(
        Calendar(
            CALENDAR, "总机", hours={day: ("00:00-24:00",) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
        )
    )
    await scene.lq.put_document("calendars", CALENDAR, hours)
    await _put(
        scene, center, "numbers", NUMBER, to_json(AccessNumber(NUMBER, "echo", recording="none", calendar=CALENDAR))
    )
    try:
        await _put(scene, center, "calendars", CALENDAR, {**hours, "override": "closed"})
        call = await scene.dial(NUMBER)
        await call.answered()
        await call.hears(scene.place.prompt("zh/hours_closed"))
        await call.ended()
        cdr = await scene.cdr(await scene.contact(call))
        assert (cdr.result, cdr.ended_by, cdr.queue) == ("ivr", "system", None)
        await _put(scene, center, "calendars", CALENDAR, hours)
        call = await scene.dial(NUMBER)
        await call.answered()
        call.say(1770)
        await call.hears(1770, 15)  # the echo, behind its announcement
        await call.hang_up()
        await call.ended()
    finally:
        await scene.lq.delete_document("numbers", NUMBER)
        await scene.lq.delete_document("calendars", CALENDAR)
