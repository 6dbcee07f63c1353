"""The edge's door: is a request from outside well-formed, is it an attack, who sends it. Asks defence.py and policy.py.

`ksr` is Kamailio's Python interface; kemi.py, which alone imports it, passes it in.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from kamailio import defence, policy
from kamailio.defence import Guesses
from kamailio.policy import Challenge
from kamailio.replies import BUSY, FORBIDDEN, NOT_NOW, Reply
from kamailio.station import Wire
from kamailio.tables import Shared, Tables
from lq.trunks import passwords

HA1: Final = 1  # pv_auth_check: the password is given as HA1
SAME_USER: Final = 1  # … and From (REGISTER: To) names the user who answers
QOP_AUTH, STALE = 1, 16  # auth_challenge
# RFC 3261 §16.3: all of the module's checks that cost no legitimate device, with Proxy-Require (512)
SANITY: Final = 17_895 + 512
SANITY_URI: Final = 7


class Door:
    """One in each worker, built before the fork: the secrets are the same in all."""

    def __init__(
        self,
        ksr: Any,
        wire: Wire,
        tables: Tables,
        bans: Shared,
        guesses: Guesses,
        *,
        outside: str,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is the time of day in seconds."""
        self._ksr, self._wire, self._tables, self._bans, self._guesses = ksr, wire, tables, bans, guesses
        self._outside, self._clock = outside, clock
        # what an unknown user's answer is checked against, so that his takes as long and fails as any
        self._nobody = secrets.token_hex(16)
        self._secret = secrets.token_hex(16)

    def lets_in(self) -> bool:
        """Whether a request from outside is looked at further; what is to be said to it has been said."""
        if defence.is_scanner(self._wire.pv("$ua")):
            self._punish("scanner")
            return False  # silence: an answer tells him that somebody is here
        answer = defence.fault(self._wire.message(), datagram=self._is_datagram)
        if answer is not None:
            if not self._is_datagram and self._guesses.malformed(self._wire.pv("$si")):
                self._punish("malformed requests")
            self._wire.reply(answer)
            return False
        if self._ksr.sanity.sanity_check(SANITY, SANITY_URI) < 0:
            return False  # the module has answered
        if not self._wire.pv("$fu") or not self._wire.pv("$tu"):
            self._wire.reply(Reply(400, "Bad From or To"))
            return False
        if f"{self._wire.pv('$si')}:{self._wire.pv('$sp')}" == self._outside:
            self._wire.reply(Reply(482, "Loop Detected"))
            return False
        self._ksr.textops.remove_hf_re(defence.CLAIMS if self.trunk is None else defence.OURS)
        return True

    @property
    def _is_datagram(self) -> bool:
        return self._wire.pv("$pr").lower() == "udp"

    @property
    def trunk(self) -> policy.Trunk | None:
        """The trunk whose address this message came from."""
        return policy.trunk_of(self._tables.trunks, self._wire.pv("$si"), self._wire.pv("$rU"))

    def _punish(self, why: str, *, surely_he: bool = False) -> None:
        """Ban the sender, if it is surely he and no trunk or phone of ours: anyone can write an address into UDP."""
        source = self._wire.pv("$si")
        if (self._is_datagram and not surely_he) or self.trunk is not None or self._guesses.is_proved(source):
            return
        self._bans.set(source, why)
        self._wire.warn(f"banned {source}: {why}")

    def authenticated(self, *, emergency: bool = False) -> str | None:
        """The extension that proved itself; None after an answer was sent. A disabled phone is one that nobody knows,
        but for an emergency call."""
        if not self._tables.is_configured:
            self._wire.reply(BUSY)
            return None
        user = self._wire.pv("$au")
        ext, until_s = passwords.read(user)
        source = self._wire.pv("$si")
        if ext and not emergency and self._guesses.is_locked(source, ext):
            self._wire.reply(FORBIDDEN)
            return None
        if self._ksr.tm.t_newtran() < 0:  # nonce counts need repeats absorbed
            return None
        if ext and not self._is_answer_to_us(source):
            self._challenge(source, stale=True)
            return None
        if ext and emergency and not self._is_heard_in_need(source, ext):
            self._wire.reply(NOT_NOW)
            return None
        ha1 = self._tables.ha1(ext) if emergency or ext not in self._tables.disabled_phones else None
        code = self._checked(user, ext, ha1 or self._nobody)
        if code > 0 and ha1 is not None:
            if until_s and until_s < self._clock():
                self._wire.reply(FORBIDDEN)  # no guess: its page has slept, and asks for another
                return None
            self._ksr.auth.consume_credentials()
            self._guesses.proved(source, ext)
            return ext
        answer = policy.credentials_answer(code)
        if isinstance(answer, Challenge):
            self._challenge(source, stale=answer.stale)
        else:
            if code != policy.ANOTHER_USER and self._guesses.wrong(source, ext):
                self._punish("wrong passwords", surely_he=True)
            self._wire.reply(answer)
        return None

    def _is_heard_in_need(self, source: str, ext: str) -> bool:
        """Ban and lock do not stop an emergency call, but nobody shall try passwords by such calls."""
        if self._guesses.is_known(source, ext):
            return True
        is_barred = self._bans.get(source) is not None or self._guesses.is_locked(source, ext)
        return not is_barred or self._guesses.is_heard_in_need(source, ext, int(self._clock()))

    def _checked(self, user: str, ext: str, ha1: str) -> int:
        """What the auth module says of the answer. A password for a while is of `user`; From and To name `ext`."""
        realm = self._tables.realm
        if user == ext:
            return int(self._ksr.auth.pv_auth_check(realm, ha1, HA1, SAME_USER))
        if self._wire.pv("$tU" if self._ksr.is_REGISTER() else "$fU") != ext:
            return policy.ANOTHER_USER
        return int(self._ksr.auth.pv_auth_check(realm, passwords.temporary_ha1(user, ha1, realm), HA1, 0))

    def _is_answer_to_us(self, source: str) -> bool:
        given = self._wire.header("Authorization" if self._ksr.is_REGISTER() else "Proxy-Authorization")
        return not self._is_datagram or defence.returned_opaque(given) == defence.opaque(self._secret, source)

    def _challenge(self, source: str, *, stale: bool) -> None:
        """Its answer must come back from the address that it goes to."""
        flags = QOP_AUTH | (STALE if stale else 0)
        # it prints the realm between quotes, and takes no opaque of its own
        realm = f'{self._tables.realm}", opaque="{defence.opaque(self._secret, source)}'
        self._ksr.auth.auth_challenge(realm, flags)
