"""The configuration under which every story happens, and who is in it."""

from __future__ import annotations

from typing import Final

from lq.config import documents as doc
from lq.config.book import Book

START: Final = 1_700_000_000_000
AGENTS: Final = ("1001", "1002", "1003", "1901", "1902")
MODELS: Final = {"1001": "yealink", "1002": "fanvil"}  # one takes orders, one answers some calls by itself
SENT_ON: Final = {"1003": doc.Forward(busy="8902")}  # his phone's calls
OUTSIDE: Final = "13800138000"
MOBILE: Final = "13900139000"  # another number outside
BOOK: Final = Book(
    version=1,
    agents={id: doc.Agent(id, id, ("sales",), mobile=f"+861370013{id}", mobile_calls="national") for id in AGENTS},
    phones={
        f"8{id[1:]}": doc.Phone(
            f"8{id[1:]}", "", model=MODELS.get(id, ""), calls="national", forward=SENT_ON.get(id, doc.Forward())
        )
        for id in AGENTS
    },
    queues={"sales": doc.Queue("sales", "销售", ring_s=20, max_wait_s=600, position_every_s=0)},
    trunks={
        id: doc.Trunk(id, "127.0.1.1", numbers=doc.NumberRule(area_code="10"), caller_ids=("01088001000",))
        for id in ("gw1", "gw2")
    },
    routes={"all": doc.Route("all", ("gw1", "gw2"), recording="talk")},
    conferences={
        "board": doc.Conference("board", "董事会", pin="1234", host_pin="4321", end_with_host=True, calls="national")
    },
    numbers={
        "4008001001": doc.AccessNumber("4008001001", "queue:sales", recording="none"),
        "4008001008": doc.AccessNumber("4008001008", "conference:board", recording="none"),
    },
)
CUSTOMER: Final = "customer"
