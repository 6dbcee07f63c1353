"""What the phones that we know let be done from outside: answer a ringing call, hold one, answer by themselves. Pure.

Two ways are in use, neither in an RFC:
  - NOTIFY with `Event: talk` or `hold` inside the call's dialog (BroadSoft, "SIP Access Side Extensions", §6 and §7).
    A phone that takes it says so in Allow-Events of its 180 and 200; that word goes before this table.
  - Headers of an INVITE that the phone answers by itself, where its settings allow that (a phone that answers whoever
    writes a header would be a bug in the room, so most makers leave it switched off).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lq.config.documents import Phone


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    talk: bool = False  # Event: talk answers what rings and resumes what is held
    hold: bool = False  # Event: hold
    alone: Mapping[str, str] = field(default_factory=dict)  # headers of an INVITE that it answers by itself


_ALERT_INFO: Final = {"Alert-Info": "<http://127.0.0.1>;info=alert-autoanswer;delay=0"}
_CALL_INFO: Final = {"Call-Info": "<sip:lq.internal>;answer-after=0"}

MODELS: Final[Mapping[str, Model]] = {
    # Captured: SIP-T27G 69.86 sends Allow-Events: talk,hold,conference,refer,check-sync. Administrator's Guides of T2,
    # T4, T5 (Distinctive Ring Tones, Auto Answer): Alert-Info with info=alert-autoanswer, while intercom is allowed.
    "yealink": Model("Yealink", talk=True, hold=True, alone=_ALERT_INFO),
    # No manual found that promises any: both headers, as FreePBX sends them to phones that it does not know.
    "fanvil": Model("Fanvil", alone=_ALERT_INFO | _CALL_INFO),
    # GXP manuals: "Allow Auto Answer by Call-Info", answer-after=0; off until it is switched on.
    "grandstream": Model("Grandstream", alone=_CALL_INFO),
    # Captured: SoundPoint IP 650 3.1.3 sends Allow-Events: talk,hold,conference. By itself it answers only an
    # Alert-Info that its provisioning names (voIpProt.SIP.alertInfo), so there is none to rely on.
    "poly": Model("Poly", talk=True, hold=True),
    # Run with Debian's 1.0.0: NOTIFY is answered 481, both headers are ignored (tests/integration/sip/test_control.py).
    "baresip": Model("baresip"),
    # The page in which it runs answers, holds and refuses by itself; JsSIP knows no NOTIFY but that of a REFER.
    "browser": Model("Browser 浏览器"),
}
UNKNOWN: Final = Model("")


def model_of(phone: Phone | None) -> Model:
    """Of a phone whose model nobody has named we know nothing."""
    return MODELS.get(phone.model, UNKNOWN) if phone is not None else UNKNOWN
