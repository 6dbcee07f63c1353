"""A password for a while: what it is made of, and what it ends with."""

from __future__ import annotations

import hashlib

import pytest

from lq.trunks import passwords

HA1 = hashlib.md5(b"8001:lcall:demo-8001").hexdigest()
UNTIL = 1_795_000_000


def test_who_knows_the_phones_secret_can_check_it_and_nobody_else_can_make_it() -> None:
    user, password = passwords.temporary("8001", HA1, UNTIL)
    assert user == "1795000000.8001" and passwords.read(user) == ("8001", UNTIL)
    digest = hashlib.md5(f"{user}:lcall:{password}".encode()).hexdigest()
    assert passwords.temporary_ha1(user, HA1, "lcall") == digest
    assert HA1 not in password and "demo-8001" not in password


@pytest.mark.parametrize("other", ["1795000001.8001", "1795000000.8002", "8001"])
def test_another_end_or_another_phone_is_another_password(other: str) -> None:
    user, _ = passwords.temporary("8001", HA1, UNTIL)
    assert passwords.temporary_ha1(other, HA1, "lcall") != passwords.temporary_ha1(user, HA1, "lcall")
    changed = hashlib.md5(b"8001:lcall:another").hexdigest()
    assert passwords.temporary_ha1(user, changed, "lcall") != passwords.temporary_ha1(user, HA1, "lcall")


@pytest.mark.parametrize("user", ["", "8001", "0795000000.8001", "179500000.8001", "1795000000.", "１795000000.8001"])
def test_any_other_name_is_a_phones_own(user: str) -> None:
    assert passwords.read(user) == (user, 0)
