"""Who may open which page: every route of the web stands here. test_rights.py visits them all as each of KINDS.

A new route fails the test until it has a line. `fine`: what those get who may. `refused`: what the others get: 403 for
a page that is not for them, 404 for something that is not theirs to know of. `ids`: what to put into its path, by the
names of OBJECTS. `form`: what is posted, chosen so that nothing changes. Whoever is not in is sent to the login.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# The objects are 1048's: his call, its recording, his account, his follow-up, a notice to his team; customer and file
# are nobody's.
KINDS: Final = (
    "owner",  # 1048 himself
    "colleague",  # another agent of his team
    "leader",  # of his team
    "stranger",  # a leader of another team
    "manager",
    "inspector",
    "admin",
    "bare",  # a role of one's own that allows nothing
    "exporter",  # one that hears recordings and takes lists away, and knows no customers
)
OBJECTS: Final = (
    "call",
    "recording",
    "comment",
    "operator",
    "role",
    "team",
    "customer",
    "follow_up",
    "file",
    "notice",
    "nothing",
)

EVERYBODY: Final = frozenset(KINDS)
NOBODY: Final = frozenset[str]()
SEEING: Final = frozenset({"owner", "leader", "manager", "inspector", "admin"})  # his calls
REVEALING: Final = frozenset({"leader", "manager", "admin"})
LEADING: Final = frozenset({"leader", "stranger", "manager", "admin"})
LEADING_HIM: Final = LEADING - {"stranger"}
DESK: Final = frozenset({"owner", "colleague", "leader"})  # who is an agent, too
PHONING: Final = EVERYBODY - {"inspector", "bare", "exporter"}
SETTLED: Final = (200, 302, 303, 400, 404, 409, 422)  # whatever there is to find fault with
SERVING: Final = EVERYBODY - {"inspector", "bare", "exporter"}
POPPED: Final = SEEING - {"inspector"}
TOLD: Final = frozenset({"owner", "colleague", "leader"})  # of the notice
WRITTEN: Final = frozenset({"leader", "manager", "admin"})  # who may change it
EXPORTING: Final = frozenset({"manager", "admin", "exporter"})
CARRYING: Final = EXPORTING & SERVING  # customers as files
ADMIN: Final = frozenset({"admin"})


@dataclass(frozen=True, slots=True)
class Right:
    may: frozenset[str]
    fine: tuple[int, ...] = (200,)
    refused: int = 403
    ids: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    free: bool = False  # also for one who is not in
    ends: bool = False  # the session
    unless: Mapping[str, int] = field(default_factory=dict)  # what single kinds get, against the rest


CALL: Final = {"id": "call"}
CUSTOMER: Final = {"id": "customer"}
UNSERVING: Final = {"inspector": 403, "bare": 403, "exporter": 403}
UNREVEALING: Final = {kind: 403 for kind in sorted(SERVING - REVEALING - {"stranger"})}
KEY: Final = {"key": "00000000-0000-4000-8000-000000000001"}
POP: Final = {"contact": "call"}  # which is over: his alone who had it, and of those who lead him
NOTICE: Final = {"id": "notice"}
RECORDING: Final = {"id": "recording"}
FOLLOW_UP: Final = {"id": "follow_up"}
AGENT: Final = {"agent": "operator"}
DEAF: Final = {"bare": 403}  # who may hear no recording at all is told so

RIGHTS: Final[Mapping[str, Right]] = {
    "GET /": Right(EVERYBODY, (302,)),
    "GET /healthz": Right(EVERYBODY, free=True),
    "GET /static/<version:str>/<name:path>": Right(EVERYBODY, (404,), free=True),
    # accounts: coming in
    "GET /login": Right(EVERYBODY, (302,), free=True),
    "POST /login": Right(EVERYBODY, (401,), free=True),
    "GET /login/code": Right(EVERYBODY, (302,), free=True),
    "POST /login/code": Right(EVERYBODY, (401,), free=True),
    "GET /login/password": Right(EVERYBODY, (302,), free=True),
    "POST /login/password": Right(EVERYBODY, (401,), free=True),
    "POST /language": Right(EVERYBODY, (303,), free=True),
    "POST /logout": Right(EVERYBODY, (303,), ends=True),
    # accounts: one's own
    "GET /me": Right(EVERYBODY),
    "POST /me": Right(EVERYBODY, (400,)),
    # accounts: others'
    "GET /accounts": Right(ADMIN),
    "GET /accounts/new": Right(ADMIN),
    "POST /accounts/new": Right(ADMIN, (422,)),
    "GET /accounts/operators/<id:str>": Right(ADMIN, ids={"id": "operator"}),
    "POST /accounts/operators/<id:str>": Right(ADMIN, (409,), ids={"id": "operator"}),
    "GET /accounts/sessions": Right(ADMIN),
    "POST /accounts/sessions": Right(ADMIN, (400,)),
    "GET /accounts/roles": Right(ADMIN),
    "GET /accounts/roles/<id:str>": Right(ADMIN, ids={"id": "role"}),
    "POST /accounts/roles/<id:str>": Right(ADMIN, (409,), ids={"id": "role"}, form={"do": "save"}),
    "GET /accounts/teams/<id:str>": Right(ADMIN, ids={"id": "team"}),
    "POST /accounts/teams/<id:str>": Right(ADMIN, (409,), ids={"id": "team"}, form={"do": "save"}),
    "GET /accounts/audit": Right(ADMIN),
    "GET /accounts/audit.xlsx": Right(ADMIN),
    # the board
    "GET /board": Right(EVERYBODY),
    "GET /live": Right(EVERYBODY),
    # the soft phone
    "GET /desk": Right(DESK),
    "GET /desk/flows": Right(DESK),
    "GET /desk/today": Right(DESK),
    "POST /desk/agent/<verb:str>": Right(DESK, (404,), ids={"verb": "nothing"}),
    "POST /desk/call/<contact:str>/<verb:str>": Right(DESK, (404,), ids={"contact": "call", "verb": "nothing"}),
    "POST /desk/dial": Right(DESK, (400,)),
    # the phone in the browser; the center's authority, which this center has none of
    "GET /phone/devices": Right(PHONING),
    "POST /phone/credentials": Right(PHONING, (404, 409), form={"phone": "nothing"}),
    "GET /ca": Right(EVERYBODY, (200, 404), free=True),
    "GET /ca/lcall-ca.crt": Right(EVERYBODY, (200, 404), free=True),
    # customers
    "GET /customers": Right(SERVING),
    "GET /customers/bin": Right(SERVING),
    "GET /customers/companies": Right(SERVING),
    "GET /customers/new": Right(SERVING),
    "GET /customers/phone-row": Right(SERVING),
    "POST /customers/new": Right(SERVING, (422,), form=KEY),
    "GET /customers/<id:int>": Right(SERVING, (404,), ids=CUSTOMER),
    "GET /customers/<id:int>/calls": Right(SERVING, (404,), ids=CUSTOMER),
    "GET /customers/<id:int>/notes": Right(SERVING, (404,), ids=CUSTOMER),
    "GET /customers/<id:int>/edit": Right(SERVING, (404,), ids=CUSTOMER),
    "POST /customers/<id:int>/edit": Right(SERVING, (404,), ids=CUSTOMER),
    "POST /customers/<id:int>/notes": Right(SERVING, (404,), ids=CUSTOMER, form=KEY),
    "POST /customers/<id:int>/phones/<phone:int>": Right(
        SERVING, (404,), ids={"id": "customer", "phone": "customer"}, unless=UNREVEALING
    ),
    "POST /customers/<id:int>/delete": Right(SERVING, (404,), ids=CUSTOMER),
    "POST /customers/<id:int>/restore": Right(SERVING, (404,), ids=CUSTOMER),
    "GET /customers/<id:int>/merge": Right(SERVING, (404,), ids=CUSTOMER),
    "POST /customers/<id:int>/merge": Right(SERVING, (404,), ids=CUSTOMER),
    "GET /customers/fields": Right(ADMIN),
    "GET /customers/fields/new": Right(ADMIN),
    "POST /customers/fields/new": Right(ADMIN, (422,)),
    "GET /customers/fields/choice-row": Right(ADMIN),
    "GET /customers/fields/<id:int>": Right(ADMIN, (404,), ids=CUSTOMER),
    "POST /customers/fields/<id:int>": Right(ADMIN, (404,), ids=CUSTOMER),
    "POST /customers/fields/<id:int>/move": Right(ADMIN, (404,), ids=CUSTOMER),
    "POST /customers/fields/<id:int>/retire": Right(ADMIN, (404,), ids=CUSTOMER),
    "POST /customers/fields/<id:int>/restore": Right(ADMIN, (404,), ids=CUSTOMER),
    "GET /customers/export": Right(CARRYING),
    "GET /customers/import": Right(CARRYING),
    "GET /customers/import/template": Right(CARRYING),
    "POST /customers/import": Right(CARRYING, (422,)),
    "GET /customers/import/<id:uuid>": Right(CARRYING, (404,), ids={"id": "file"}),
    "POST /customers/import/<id:uuid>/start": Right(CARRYING, (404,), ids={"id": "file"}),
    "GET /pop/<contact:str>": Right(POPPED, refused=404, ids=POP, unless=UNSERVING),
    "GET /pop/<contact:str>/found": Right(SERVING, ids=POP),
    "POST /pop/<contact:str>/black": Right(REVEALING, (422,), ids=POP, unless={"stranger": 404}),
    "POST /pop/<contact:str>/customer": Right(POPPED, (404,), 404, ids=POP, unless=UNSERVING),
    "POST /pop/<contact:str>/new": Right(POPPED, (422,), 404, ids=POP, form=KEY, unless=UNSERVING),
    "POST /pop/<contact:str>/number": Right(POPPED, (404,), 404, ids=POP, unless=UNSERVING),
    "POST /pop/<contact:str>/note": Right(POPPED, (422,), 404, ids=POP, form=KEY, unless=UNSERVING),
    # follow-ups: the version is none, so that nothing is done
    "GET /follow-ups": Right(SERVING),
    "GET /follow-ups/of/<customer:int>": Right(SERVING, (404,), ids={"customer": "customer"}),
    "POST /follow-ups/of/<customer:int>": Right(SERVING, (404,), ids={"customer": "customer"}, form=KEY),
    "GET /follow-ups/<id:int>/edit": Right(POPPED, refused=404, ids=FOLLOW_UP, unless=UNSERVING),
    "POST /follow-ups/<id:int>/edit": Right(POPPED, (422,), 404, ids=FOLLOW_UP, unless=UNSERVING),
    "POST /follow-ups/<id:int>/done": Right(POPPED, (409,), 404, ids=FOLLOW_UP, unless=UNSERVING),
    "POST /follow-ups/<id:int>/reopen": Right(POPPED, refused=404, ids=FOLLOW_UP, unless=UNSERVING),  # it is open
    "POST /follow-ups/<id:int>/later": Right(
        POPPED, (409,), 404, ids=FOLLOW_UP, form={"when": "hour"}, unless=UNSERVING
    ),
    "POST /follow-ups/<id:int>/snooze": Right(frozenset({"owner"}), refused=404, ids=FOLLOW_UP, unless=UNSERVING),
    # the home page: notices, sticky notes (of nobody's)
    "GET /home": Right(EVERYBODY),
    "GET /notices/current": Right(EVERYBODY),
    "GET /notices/past": Right(EVERYBODY),
    "GET /notices": Right(LEADING),
    "GET /notices/new": Right(LEADING),
    "POST /notices/new": Right(LEADING, (422,), form=KEY),
    "GET /notices/<id:int>": Right(TOLD | WRITTEN, refused=404, ids=NOTICE),
    "POST /notices/<id:int>/read": Right(TOLD, (303,), 404, ids=NOTICE),
    "GET /notices/<id:int>/edit": Right(WRITTEN, ids=NOTICE, unless={"stranger": 404}),
    "POST /notices/<id:int>/edit": Right(WRITTEN, (422,), ids=NOTICE, unless={"stranger": 404}),
    "GET /notices/<id:int>/readers": Right(WRITTEN, ids=NOTICE, unless={"stranger": 404}),
    "POST /notices/<id:int>/delete": Right(WRITTEN, (409,), ids=NOTICE, unless={"stranger": 404}),
    "POST /notices/<id:int>/end": Right(LEADING, (404,), ids=CUSTOMER),
    "POST /notes": Right(EVERYBODY, (422,), form=KEY),
    "POST /notes/<id:int>": Right(EVERYBODY, (404,), ids=CUSTOMER, form={"colour": "grey"}),
    "POST /notes/<id:int>/delete": Right(EVERYBODY, (404,), ids=CUSTOMER),
    "POST /notes/<id:int>/restore": Right(EVERYBODY, (404,), ids=CUSTOMER),
    # settings: ids that name nothing, so that nothing changes
    "GET /logo/<version:str>": Right(EVERYBODY, (200, 404), free=True, ids={"version": "nothing"}),
    "GET /settings": Right(ADMIN, SETTLED),
    "GET /settings/<name:str>": Right(ADMIN, SETTLED, ids={"name": "nothing"}),
    "GET /settings/<name:str>/<id:str>": Right(ADMIN, SETTLED, ids={"name": "nothing", "id": "nothing"}),
    "GET /settings/delete/<name:str>/<id:str>": Right(ADMIN, SETTLED, ids={"name": "nothing", "id": "nothing"}),
    "GET /settings/entries/<id:str>": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "GET /settings/import/agents": Right(ADMIN, SETTLED),
    "GET /settings/import/template": Right(ADMIN, SETTLED),
    "GET /settings/logo": Right(ADMIN, SETTLED),
    "GET /settings/members/<id:str>": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "GET /settings/rooms/<id:str>": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "GET /settings/rooms/<id:str>/parties": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "POST /settings/<name:str>/<id:str>": Right(ADMIN, SETTLED, ids={"name": "nothing", "id": "nothing"}),
    "POST /settings/delete/<name:str>/<id:str>": Right(ADMIN, SETTLED, ids={"name": "nothing", "id": "nothing"}),
    "POST /settings/entries/<id:str>": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "POST /settings/entries/<id:str>/import": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "POST /settings/entries/<id:str>/remove": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "POST /settings/import/agents": Right(ADMIN, SETTLED),
    "POST /settings/import/agents/run": Right(ADMIN, SETTLED),
    "POST /settings/import/passwords": Right(ADMIN, SETTLED),
    "POST /settings/logo": Right(ADMIN, SETTLED),
    "POST /settings/members/<id:str>": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "POST /settings/override/<id:str>": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "POST /settings/rooms/<id:str>/<verb:str>": Right(ADMIN, SETTLED, ids={"id": "nothing", "verb": "nothing"}),
    "POST /settings/rooms/<id:str>/invite": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    "POST /settings/secret/<id:str>": Right(ADMIN, SETTLED, ids={"id": "nothing"}),
    # calls, recordings
    "GET /calls": Right(EVERYBODY),
    "GET /calls/<id:str>": Right(SEEING, refused=404, ids=CALL),
    "POST /calls/<id:str>/number": Right(REVEALING, ids=CALL, unless={"stranger": 404}),
    "GET /calls/export.xlsx": Right(EXPORTING),
    "GET /recordings/<id:str>": Right(SEEING, refused=404, ids=RECORDING, unless=DEAF),
    "GET /recordings/<id:str>/peaks": Right(SEEING, refused=404, ids=RECORDING, unless=DEAF),
    "GET /recordings/<id:str>/audio": Right(SEEING, refused=404, ids=RECORDING, unless=DEAF),
    "GET /recordings/<id:str>/file": Right(
        EXPORTING, ids=RECORDING, unless={"colleague": 404, "stranger": 404, "exporter": 404}
    ),
    "POST /recordings/<id:str>/comments": Right(SEEING, (422,), refused=404, ids=RECORDING, unless=DEAF),
    "POST /recordings/<id:str>/comments/<number:int>/remove": Right(
        SEEING, refused=404, ids={"id": "recording", "number": "comment"}, unless=DEAF
    ),
    # the leader's page: nobody is signed in, so that what is ordered is refused after the rights (409)
    "GET /team": Right(LEADING),
    "GET /team/work": Right(LEADING),
    "GET /wall": Right(LEADING),
    "GET /wall/figures": Right(LEADING),
    "POST /team/agents/<agent:str>/monitor": Right(
        LEADING_HIM, (409,), ids=AGENT, form={"contact": "x", "mode": "listen"}
    ),
    "POST /team/agents/<agent:str>/release": Right(LEADING_HIM, (409,), ids=AGENT, form={"contact": "x"}),
    "POST /team/agents/<agent:str>/state": Right(LEADING_HIM, (422,), ids=AGENT),
    "POST /team/calls/<contact:str>/leave": Right(LEADING, (404, 409), ids={"contact": "call"}),
    "POST /team/calls/<contact:str>/pick-up": Right(LEADING, (404, 409), ids={"contact": "call"}),
}
