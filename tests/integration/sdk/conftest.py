from __future__ import annotations

from tests.integration.api.conftest import api, live, postgres_server, redis_server, rows, template
from tests.integration.ledger.conftest import dsn

__all__ = ["api", "dsn", "live", "postgres_server", "redis_server", "rows", "template"]
