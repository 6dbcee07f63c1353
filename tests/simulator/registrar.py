"""REGISTER with a password: where an extension is, and telling the edge where (RFC 3261 §10)."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import Final

from sipmessage import URI, AuthChallenge, AuthCredentials, Response

from tests.simulator import sip
from tests.simulator.sip import Peer

WITHIN_S: Final = 5.0


class NotRegistrar(Exception):
    """The edge does not answer the question."""


async def bindings(ext: str, password: str, *, edge: Peer) -> list[str]:
    """The Contacts under which the extension is registered now. Changes nothing. Raises NotRegistrar."""
    wire = sip.Wire(lambda transaction: transaction.answer(405), lambda ack: None)
    await wire.open((edge[0], 0))
    try:
        return await register(wire, ext, password, edge=edge)
    finally:
        await wire.close()


async def register(
    wire: sip.Wire, ext: str, password: str, *, edge: Peer, contact: str = "", expires_s: int = 0
) -> list[str]:
    """Register `contact` (expires 0: take it back; no contact: only ask); the Contacts that stand then.

    Raises NotRegistrar.
    """
    wanted = [("Contact", contact), ("Expires", str(expires_s))] if contact else []
    call_id = secrets.token_hex(10)
    try:
        answer = await _ask(wire, ext, edge, call_id, 1, wanted)
        if answer.code == 401:
            proof = credentials(answer, "REGISTER", str(_registrar(edge)), ext, password)
            answer = await _ask(wire, ext, edge, call_id, 2, [*wanted, proof])
    except TimeoutError:
        raise NotRegistrar(f"{edge[0]}:{edge[1]} does not answer a REGISTER") from None
    if answer.code != 200:
        raise NotRegistrar(f"{edge[0]}:{edge[1]} answers {answer.code} {answer.phrase} to extension {ext}")
    return answer.headers.getlist("Contact")


async def _ask(
    wire: sip.Wire, ext: str, edge: Peer, call_id: str, number: int, more: list[tuple[str, str]]
) -> Response:
    final: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def heard(answer: Response) -> None:
        if answer.code >= 200 and not final.done():
            final.set_result(answer)

    own = f"<{URI('sip', edge[0], user=ext, port=edge[1])}>"
    headers = [
        ("From", f"{own};tag={secrets.token_hex(6)}"),
        ("To", own),
        ("Call-ID", call_id),
        ("CSeq", f"{number} REGISTER"),
    ]
    wire.begin(sip.request("REGISTER", _registrar(edge), [*headers, *more]), edge, heard)
    return await asyncio.wait_for(final, WITHIN_S)


def _registrar(edge: Peer) -> URI:
    return URI("sip", edge[0], port=edge[1])


def credentials(challenge: Response, method: str, uri: str, user: str, password: str) -> tuple[str, str]:
    """The header that answers a 401 or 407 (RFC 7616 §3.4 with MD5 and qop=auth)."""
    asked, answer = (
        ("WWW-Authenticate", "Authorization")
        if challenge.code == 401
        else ("Proxy-Authenticate", "Proxy-Authorization")
    )
    given = AuthChallenge.parse(sip.header(challenge, asked)).parameters
    nonce, cnonce, count = given["nonce"], secrets.token_hex(8), "00000001"
    ha1, ha2 = _md5(f"{user}:{given['realm']}:{password}"), _md5(f"{method}:{uri}")
    parameters = given.replace(
        username=user,
        uri=uri,
        nc=count,
        cnonce=cnonce,
        qop="auth",
        response=_md5(f"{ha1}:{nonce}:{count}:{cnonce}:auth:{ha2}"),
    )
    return answer, str(AuthCredentials("Digest", parameters))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
