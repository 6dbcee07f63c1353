"""`python -m kamailio.certificates`: the center's own certificate authority, and its certificate for edge, web and api.

Made at the first start by openssl. The authority is never made again: who trusts ca.crt goes on trusting it. At a start
of the center its certificate is made anew when it is about to end or lacks a name that the center has now
(LCALL_ADDRESS was changed); one of the customer's own (edge.crt with its chain, edge.key) stays. Files are for nobody
else (0600).

Environment: LCALL_HOME, KAMAILIO_SIP (host:port), optional KAMAILIO_NAMES (comma-separated).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final

CA_DAYS: Final = "7300"
EDGE_DAYS: Final = "825"  # what browsers accept at most
RENEW_S: Final = "5184000"  # 60 days before its end, at a start of the center
KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class CertificateError(Exception):
    """One sentence for the operator."""


def ensure(directory: Path, names: Iterable[str], *, renew: bool = False) -> tuple[Path, Path]:
    """Certificate and key for these names and addresses; `renew`: ours anew where it is outdated. CertificateError."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    certificate, key = directory / "edge.crt", directory / "edge.key"
    names = tuple(dict.fromkeys(names))
    if certificate.exists() and key.exists() and not (renew and _is_outdated(directory, certificate, names)):
        return certificate, key
    _ensure_authority(directory)
    request = directory / "edge.csr"
    subject = ("-subj", "/CN=LCall edge")
    _openssl("req", "-new", *KEY, *subject, "-keyout", str(_new(key)), "-out", str(request))
    extensions = directory / "edge.ext"
    extensions.write_text(_extensions(names), encoding="utf-8")
    signer = ("-CA", str(directory / "ca.crt"), "-CAkey", str(directory / "ca.key"), "-set_serial", _serial())
    files = ("-in", str(request), "-out", str(_new(certificate)), "-extfile", str(extensions))
    _openssl("x509", "-req", "-sha256", "-days", EDGE_DAYS, *signer, *files)
    _put(key)
    _put(certificate)  # last: who finds it finds its key
    request.unlink()
    extensions.unlink()
    return certificate, key


def names_of(environ: Mapping[str, str]) -> list[str]:
    """What the center is called: the edge's address, localhost, and what KAMAILIO_NAMES adds."""
    more = (name.strip() for name in environ.get("KAMAILIO_NAMES", "").split(","))
    return [environ["KAMAILIO_SIP"].rpartition(":")[0], "localhost", *filter(None, more)]


def _is_outdated(directory: Path, certificate: Path, names: Iterable[str]) -> bool:
    """Whether it is our authority's and lacks a name, or ends soon."""
    ours = ("verify", "-partial_chain", "-no_check_time", "-CAfile", str(directory / "ca.crt"), str(certificate))
    if not _says_yes(*ours):
        return False
    shown = ("x509", "-in", str(certificate), "-noout")
    checks = (("-checkip" if _is_address(name) else "-checkhost", name) for name in names)
    return not _says_yes(*shown, "-checkend", RENEW_S) or any(
        "NOT match" in _openssl(*shown, *check) for check in checks
    )


def _ensure_authority(directory: Path) -> None:
    certificate, key = directory / "ca.crt", directory / "ca.key"
    if certificate.exists() and key.exists():
        return
    uses = (
        "-addext",
        "basicConstraints=critical,CA:TRUE,pathlen:0",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    )
    files = ("-keyout", str(_new(key)), "-out", str(_new(certificate)))
    _openssl("req", "-x509", *KEY, "-sha256", "-days", CA_DAYS, "-subj", "/CN=LCall center CA", *uses, *files)
    _put(key)
    _put(certificate)


def _extensions(names: Iterable[str]) -> str:
    listed = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)
    uses = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth"
    return f"basicConstraints=critical,CA:FALSE\n{uses}\nsubjectAltName={listed}\n"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _serial() -> str:
    return f"0x{os.urandom(16).hex()}"


def _new(place: Path) -> Path:
    return place.with_name(place.name + ".new")


def _put(place: Path) -> None:
    """A key that a power cut takes is an authority that nobody's browser trusts any more."""
    _new(place).chmod(0o600)
    with _new(place).open("rb") as written:
        os.fsync(written.fileno())
    _new(place).replace(place)
    directory = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _openssl(*words: str) -> str:
    try:
        return subprocess.run(
            ["openssl", *words], check=True, capture_output=True, text=True, umask=0o077, timeout=60
        ).stdout
    except FileNotFoundError as error:
        raise CertificateError("openssl is missing: TLS needs a certificate") from error
    except subprocess.CalledProcessError as error:
        raise CertificateError(f"no certificate could be made: {error.stderr.strip()}") from error


def _says_yes(*words: str) -> bool:
    try:
        _openssl(*words)
    except CertificateError as error:
        if isinstance(error.__cause__, subprocess.CalledProcessError):
            return False
        raise
    return True


def main() -> int:
    try:
        ensure(Path(os.environ["LCALL_HOME"]) / "tls", names_of(os.environ), renew=True)
    except (CertificateError, OSError, KeyError) as error:
        print(f"kamailio.certificates: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
