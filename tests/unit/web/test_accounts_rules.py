"""Passwords, codes, browsers, and who may give which role."""

from __future__ import annotations

import re

import pyotp
import pytest

from lcall_web.accounts import codes, passwords, rules
from lcall_web.accounts.rules import Role
from lcall_web.common.viewer import ADMIN, PERMISSIONS, ROLES, Viewer, granted, reach


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("", passwords.TOO_SHORT),
        ("短密码", passwords.TOO_SHORT),
        ("x" * 201, passwords.TOO_LONG),
        ("demo-1001-demo", passwords.PERSONAL),
        ("王芳的密码就是这个", passwords.TOO_SHORT),
        ("王芳的密码就是这个呀呀", passwords.PERSONAL),
        ("LCALL-is-great", passwords.PERSONAL),
        ("１００１-full-width", passwords.PERSONAL),
        ("13800138000", passwords.TOO_SIMPLE),
        ("1234567890a", passwords.TOO_SIMPLE),
        ("qwertyuiop12", passwords.TOO_SIMPLE),
        ("1qaz2wsx3edc", passwords.TOO_SIMPLE),
        ("aaaaabbbbbccccc", passwords.TOO_SIMPLE),
        ("abababababab", passwords.TOO_SIMPLE),
        ("P@ssw0rd2026!", passwords.TOO_COMMON),
        ("!!Password!!", passwords.TOO_COMMON),
        ("passwordpassword", passwords.TOO_COMMON),
        ("Woaini1314520", passwords.TOO_COMMON),
        ("administrator1", passwords.TOO_COMMON),
        ("correct horse battery", ""),
        ("我家的猫喜欢晒太阳", passwords.TOO_SHORT),
        ("我家的猫最喜欢晒太阳", ""),
        ("dwj2-4z2r-pvp6", ""),
        ("x" * 150 + "abcdefgh", passwords.TOO_SIMPLE),
    ],
)
def test_a_password_that_others_guess_is_refused(password: str, fault: str) -> None:
    assert passwords.fault(password, "1001", "王芳") == fault


def test_generated_passwords_are_good_and_never_the_same() -> None:
    made = {passwords.generated() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){2}", one) and not set(one) & set("il1o0") for one in made)
    assert all(passwords.fault(one, "1001", "王芳") == "" for one in made)


def test_codes_of_this_step_and_its_neighbours() -> None:
    secret, now = codes.secret(), 1_764_000_015.0
    otp, step = pyotp.TOTP(secret), 1_764_000_015 // 30
    for seconds, found in ((0, step), (-30, step - 1), (30, step + 1), (-60, None), (60, None)):
        assert codes.step_of(secret, otp.at(int(now) + seconds), now) == found, seconds
    code = otp.at(int(now))
    assert codes.step_of(secret, f" {code[:3]} {code[3:]} ", now) == step
    assert codes.step_of(secret, "".join(chr(ord(digit) + 0xFEE0) for digit in code), now) == step, "full width"
    for wrong in ("", "x", "'; --", "1" * 5000, code[:5], code + "0", "\x00"):
        assert codes.step_of(secret, wrong, now) is None, wrong


def test_recovery_codes_are_stored_as_hashes_of_what_people_type() -> None:
    made = codes.recovery_codes()
    assert len(set(made)) == codes.RECOVERY_CODES
    assert codes.hashed(made[0]) == codes.hashed(f" {made[0].upper().replace('-', ' ')} ") != codes.hashed(made[1])


def test_the_picture_has_neither_style_nor_script() -> None:
    picture = codes.picture(codes.address(codes.secret(), "1001", '"><script>小灵呼'))
    assert picture.startswith("<svg ") and "style" not in picture and "script" not in picture and "on" not in picture


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
            "Chrome 140 · Windows",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox 143 · Linux"),
        ("Mozilla/5.0 … Chrome/140.0 Safari/537.36 Edg/140.1", "Edge 140"),
        ("curl/8.0", "curl 8"),
        ("'; <script>/1", "'; <script>"),
        ("", ""),
    ],
)
def test_a_browser_is_named(agent: str, words: str) -> None:
    assert rules.browser(agent) == words


def viewer(role: str, *permissions: str, scope: str = "all") -> Viewer:
    return Viewer("x", "x", role, ROLES.get(role, role), b"", "", granted(role, permissions), reach("x", scope, (), ()))


def test_nobody_gives_more_than_he_has() -> None:
    admin, helper = viewer(ADMIN), viewer("r-1", "accounts", "desk")
    whole = Role(ADMIN, "", True, "all", frozenset(PERMISSIONS))
    desk = Role("r-2", "", False, "own", frozenset({"desk"}))
    assert rules.may_grant(admin, whole) and rules.may_grant(admin, desk)
    assert not rules.may_grant(helper, whole) and rules.may_grant(helper, desk)
    seeing = Role("r-3", "", False, "all", frozenset({"desk"}))
    assert rules.may_grant(helper, seeing)
    assert not rules.may_grant(viewer("r-1", "accounts", "desk", scope="team"), seeing)
