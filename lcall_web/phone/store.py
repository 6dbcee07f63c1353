"""The password for a while of one's own phone, and that it was given."""

from __future__ import annotations

from lcall_web.common import audit
from lcall_web.common.context import Context
from lcall_web.common.viewer import Viewer
from lq.sdk import Credentials


async def credentials(here: Context, viewer: Viewer, phone: str, address: str) -> Credentials:
    """Raises ApiError: 403 and 404 for a phone that is not his."""
    given = await here.lq.credentials(viewer.id, phone or None)
    async with here.database.transaction() as connection:
        await audit.note(connection, viewer.id, "phone_credentials", f"phone:{given.phone}", address)
    return given
