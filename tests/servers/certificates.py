"""A certificate of our own for localhost, valid or not."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path


def make_certificate(folder: Path, *, days: int, begin: int = -60) -> Path:
    """Key and certificate in one file, valid from the day `begin` to `days`, counted from today."""
    key, certificate, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    now = datetime.datetime.now(datetime.UTC)
    starts, ends = now + datetime.timedelta(days=begin), now + datetime.timedelta(days=days)
    config = folder / "openssl.cnf"
    config.write_text(
        "[req]\ndistinguished_name=name\n[name]\n[ext]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:TRUE\n"
        "[ca]\ndefault_ca=own\n[own]\n"
        f"database={folder}/index.txt\nserial={folder}/serial\nnew_certs_dir={folder}\npolicy=any\ndefault_md=sha256\n"
        "unique_subject=no\n[any]\ncommonName=supplied\n"
    )
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01\n")
    request = folder / "request.pem"
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(request), "-subj",
         "/CN=localhost", "-config", str(config)],
        check=True, capture_output=True,
    )  # fmt: skip
    stamp = "%Y%m%d%H%M%SZ"
    signing = ["openssl", "ca", "-batch", "-selfsign", "-notext", "-config", str(config), "-extensions", "ext"]
    signing += ["-keyfile", str(key), "-in", str(request), "-out", str(certificate)]
    signing += ["-startdate", starts.strftime(stamp), "-enddate", ends.strftime(stamp)]
    subprocess.run(signing, check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    return both
