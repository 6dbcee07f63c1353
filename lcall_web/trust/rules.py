"""How each system is told to trust a certificate authority, in its own words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lcall_web.common.i18n import mark

NAMES: Final[Mapping[str, str]] = {
    "windows": "Windows (Chrome, Edge)",
    "macos": "macOS (Safari, Chrome)",
    "android": "Android",
    "ios": "iPhone, iPad",
    "linux": "Chrome (Linux)",
    "firefox": "Firefox",
}
STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "windows": (
        mark("打开下载的 lcall-ca.crt，点“安装证书…”。"),
        mark("存储位置选“本地计算机”（需要管理员权限）；没有权限时选“当前用户”。"),
        mark("选“将所有的证书都放入下列存储”，浏览并选择“受信任的根证书颁发机构”，完成。"),
        mark("关闭所有浏览器窗口，再重新打开。"),
    ),
    "macos": (
        mark("打开下载的 lcall-ca.crt，在“钥匙串访问”里把它加入“系统”钥匙串。"),
        mark("双击“LCall center CA”，展开“信任”，把“使用此证书时”改为“始终信任”。"),
        mark("输入本机密码保存，再重新打开浏览器。"),
    ),
    "android": (
        mark("打开“设置 → 安全 → 加密与凭据 → 安装证书 → CA 证书”（各品牌的位置略有不同，可在设置里搜索“CA 证书”）。"),
        mark("选“仍然安装”，再选下载的 lcall-ca.crt。"),
    ),
    "ios": (
        mark("用 Safari 打开本页下载，点“允许”，再到“设置 → 已下载描述文件”里安装。"),
        mark("打开“设置 → 通用 → 关于本机 → 证书信任设置”，打开“LCall center CA”的开关。"),
    ),
    "linux": (
        mark("打开 chrome://settings/certificates，在“自定义”里选“受信任的证书”，导入 lcall-ca.crt。"),
        mark("重新打开浏览器。"),
    ),
    "firefox": (
        mark("打开“设置 → 隐私与安全 → 证书 → 查看证书 → 证书颁发机构”，点“导入…”，选 lcall-ca.crt。"),
        mark("勾选“信任由此证书颁发机构来标识网站”，确定。"),
    ),
}
GUIDES: Final = tuple((key, NAMES[key], STEPS[key]) for key in NAMES)
_SIGNS: Final = (
    *(("Firefox/", "firefox"), ("iPhone", "ios"), ("iPad", "ios"), ("Android", "android")),
    *(("Windows", "windows"), ("Mac OS X", "macos"), ("Linux", "linux")),
)


def likely(user_agent: str) -> str:
    """Whose steps are shown first."""
    return next((system for sign, system in _SIGNS if sign in user_agent), "windows")


def fingerprint(digest: str) -> str:
    """As certificate viewers show it: pairs of hexadecimal digits."""
    return ":".join(digest[n : n + 2] for n in range(0, len(digest), 2)).upper()
