# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Several names on one server, each with its certificate: which one a client is served, renewal under running sessions,
and OCSP responses."""

import os
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import wharf  # noqa: E402
from cases import case, check, main, until  # noqa: E402
from ftp import Ftp  # noqa: E402

RENEWED = 5  # seconds until the next handshake is served what was renewed


def issue(name):
    return certificates.authority().issue(name, names="DNS:" + name, usage="serverAuth")


def block(d_folder, name, stem):
    return 'host "%s" {\n\ttls_certificate = "%s/%s.pem"\n\ttls_key = "%s/%s.key"\n}\n' % (name, d_folder, stem, d_folder, stem)


class Hosts(wharf.Daemon):
    """The usual certificates by default, one.example.test, and all names of wild.example.test."""

    def _certificates(self, conf):
        lines = super()._certificates(conf)
        for name, stem in (("one.example.test", "one"), ("*.wild.example.test", "wild")):
            self.give(stem, issue(name))
            lines.append(block(self.folder, name, stem))
        return lines

    def give(self, stem, pair):
        self.keep(pair.key, stem + ".key")
        self.keep(pair.certificate, stem + ".pem")


def served(d, name, host=None, **how):
    """The certificate that a client of that SNI is served, after HOST where one is named."""
    unchecked = certificates.context(verify=False, **how)
    with Ftp(d.port, name=name) as f:
        if host:
            f.expect("HOST " + host, 220)
        f.auth_tls(unchecked)
        return f.sock.getpeercert(True)


def is_for(der, name):
    pem = ssl.DER_cert_to_PEM_cert(der)
    return name in certificates.openssl("x509", "-noout", "-subject", "-ext", "subjectAltName", input=pem.encode()).decode()


@case("V01", "the certificate by SNI, by HOST, by default; ECDSA or RSA as the client can")
def names(mode):
    with Hosts(mode, tls=True, expect=["TLS failed"]) as d, d.steady():
        for sni, host, expected in (
                ("one.example.test", None, "one.example.test"), ("ONE.example.test", None, "one.example.test"),
                ("a.wild.example.test", None, "*.wild.example.test"), ("a.b.wild.example.test", None, "localhost"),
                ("localhost", None, "localhost"), ("nobody.example", None, "localhost"), (None, None, "localhost"),
                (None, "one.example.test", "one.example.test"), (None, "b.wild.example.test", "*.wild.example.test"),
                ("one.example.test", "one.example.test", "one.example.test")):
            check(is_for(served(d, sni, host), expected), sni, host, expected)
        try:
            served(d, "localhost", "one.example.test")
            check(False, "SNI and HOST do not agree")
        except ssl.SSLError as e:
            check("UNRECOGNIZED_NAME" in str(e).upper().replace(" ", "_"), e)
        for ciphers, kind in (("ECDHE-RSA-AES128-GCM-SHA256", "rsa"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec")):
            check(served(d, "localhost", version="1.2", ciphers=ciphers) == certificates.server(kind).der(), kind)


@case("V02", "HOST within TLS must agree with SNI")
def host_within(mode):
    with Hosts(mode, tls=True) as d, d.steady():
        with Ftp(d.port, name="one.example.test") as f:
            f.auth_tls(certificates.context(verify=False))
            f.expect("HOST one.example.test", 220)
            f.expect("HOST localhost", 504)
            f.expect("HOST nobody.example", 504)
            f.expect("USER alice", 331)
            f.expect("HOST one.example.test", 503)


def wait_served(d, name, pair):
    """How long that takes."""
    begin = time.monotonic()
    until(lambda: served(d, name) == pair.der(), what="the renewed certificate")
    return time.monotonic() - begin


@case("V03", "what is renewed is served within 5 s, what is broken is not, and no session notices")
def renewal(mode):
    with Hosts(mode, tls=True, expect=["a host's certificate was not taken"]) as d, d.steady():
        with d.login_tls() as f:
            took = []
            for _ in range(3):
                fresh = issue("one.example.test")
                d.give("one", fresh)
                took.append(wait_served(d, "one.example.test", fresh))
                f.put("file", b"x" * 100000)
                check(f.get("RETR file") == b"x" * 100000)
            # A busy machine may delay one of them.
            check(min(took) < RENEWED, "not served within %d s:" % RENEWED, took)
            check(is_for(served(d, "localhost"), "localhost"))
            d.keep(issue("one.example.test").key, "one.key")
            d.wait_log("a host's certificate was not taken .*host=one.example.test .*key does not fit")
            check(served(d, "one.example.test") == fresh.der(), "the old one is served on")
            f.put("file", b"y" * 1000)
            mended = issue("one.example.test")
            d.give("one", mended)
            wait_served(d, "one.example.test", mended)
            check(f.get("RETR file") == b"y" * 1000)


@case("V04", "an OCSP response is stapled")
def staple(mode):
    pair = certificates.server("ec")
    daemon = wharf.Daemon(mode, tls=True, conf='tls_ocsp = "${folder}/ec.ocsp"\n')
    path = certificates.authority().ocsp(pair, os.path.join(daemon.folder, "ec.ocsp"))
    if os.geteuid() == 0:
        os.chown(path, *daemon.owner)
    with daemon as d:
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % d.port, "-starttls", "ftp", "-status",
                               "-CAfile", certificates.authority().path, "-verify_return_error"], input=b"QUIT\n",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        check(b"OCSP Response Status: successful" in done.stdout and b"Cert Status: good" in done.stdout, done.stdout[:600])


def cipher(d, **how):
    with Ftp(d.port, name="localhost") as f:
        f.auth_tls(certificates.context(verify=False, **how))
        return f.sock.cipher()[0]


@case("V05", "the cipher is the cheapest that the client can, unless it would rather have ChaCha20")
def ciphers(mode):
    aes, aes_256, chacha = ("ECDHE-ECDSA-%s" % name for name in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"))
    with Hosts(mode, tls=True) as d, d.steady():
        check(cipher(d, version="1.3") == "TLS_AES_128_GCM_SHA256")
        check(cipher(d, version="1.2") == aes)
        for offered, chosen in (((aes_256, aes, chacha), aes), ((aes_256, chacha), aes_256), ((chacha, aes), chacha)):
            check(cipher(d, version="1.2", ciphers=":".join(offered)) == chosen, offered)
    with Hosts(mode, tls=True, conf='tls_ciphers = "TLS_AES_256_GCM_SHA384:%s:%s"' % (aes_256, aes)) as d:
        check(cipher(d, version="1.3") == "TLS_AES_256_GCM_SHA384")
        check(cipher(d, version="1.2", ciphers="%s:%s" % (aes, aes_256)) == aes_256)


if __name__ == "__main__":
    main()
