"""The center's own certificate authority and the edge's certificate, made at the first start by openssl.

What stands in the directory is never made again: a phone that trusts ca.crt goes on trusting it, and a certificate of
the customer's own (edge.crt with its chain, edge.key) stays. Files are for nobody else (0600).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Final

CA_DAYS: Final = "7300"
EDGE_DAYS: Final = "825"  # what browsers accept at most
KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class CertificateError(Exception):
    """One sentence for the operator."""


def ensure(directory: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """Certificate and key of the edge for these names and addresses. Raises CertificateError."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    certificate, key = directory / "edge.crt", directory / "edge.key"
    if certificate.exists() and key.exists():
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
    listed = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in dict.fromkeys(names))
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
    _new(place).chmod(0o600)
    _new(place).replace(place)


def _openssl(*words: str) -> None:
    try:
        subprocess.run(["openssl", *words], check=True, capture_output=True, text=True, umask=0o077, timeout=60)
    except FileNotFoundError as error:
        raise CertificateError("openssl is missing: TLS needs a certificate") from error
    except subprocess.CalledProcessError as error:
        raise CertificateError(f"no certificate could be made: {error.stderr.strip()}") from error
