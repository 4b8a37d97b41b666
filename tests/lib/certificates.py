# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Certificates for tests, made by the openssl program: CAs that issue and revoke, their lists and OCSP responses, and
SSL contexts of clients that trust them.  What a test asks for is made once in its process, in a folder of its own."""

import atexit
import functools
import os
import shutil
import ssl
import subprocess
import tempfile

PLACE = os.environ.get("WHARF_TEST_DIR", "/tmp")
SERVER_NAMES = "DNS:localhost,DNS:ftp.example.test,IP:127.0.0.1,IP:::1"
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def openssl(*args, input=None, text=False):
    done = subprocess.run(["openssl"] + list(args), input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text)
    if done.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (" ".join(args), done.stderr))
    return done.stdout


@functools.cache
def folder():
    path = tempfile.mkdtemp(prefix="wharf-ca-", dir=PLACE)
    atexit.register(shutil.rmtree, path, True)
    return path


class Pair:
    """The files of a certificate and of its key."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.pem())

    def pem(self):
        with open(self.certificate) as f:
            text = f.read()
        return text[text.index("-----BEGIN"):]

    def fingerprint(self):
        out = openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256").decode()
        return out.strip().split("=")[1].replace(":", "").lower()


CONFIG = """[ca]
default_ca = this
[this]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}/new
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = any
copy_extensions = none
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = nothing
[nothing]
[top]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign,digitalSignature
subjectKeyIdentifier = hash
"""


class Authority:
    """A CA; `issuer` makes it an intermediate one."""

    def __init__(self, name, issuer=None):
        self.name, self.issuer = name, issuer
        self.folder = os.path.join(folder(), name.replace(" ", "-"))
        os.makedirs(os.path.join(self.folder, "new"))
        self.path = os.path.join(self.folder, "ca.pem")
        self.key = os.path.join(self.folder, "ca.key")
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n"),
                           ("config", CONFIG.format(folder=self.folder))):
            with open(os.path.join(self.folder, file), "w") as f:
                f.write(text)
        self.config = os.path.join(self.folder, "config")
        if issuer:
            pair = issuer.issue(name, extensions="basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\n"
                                "subjectKeyIdentifier = hash\n")
            os.replace(pair.certificate, self.path)
            os.replace(pair.key, self.key)
        else:
            make_key(self.key, "ec")
            openssl("req", "-x509", "-new", "-config", self.config, "-extensions", "top", "-key", self.key, "-days", "30",
                    "-subj", "/CN=" + name, "-out", self.path)
        self.made = 0

    def issue(self, common_name, names=None, usage=None, kind="ec", extensions="", start=None, end=None, organization=None):
        """A certificate.  names: its subjectAltName; usage: its extendedKeyUsage; start, end: YYYYMMDDHHMMSSZ."""
        self.made = getattr(self, "made", 0) + 1
        stem = os.path.join(self.folder, "%d-%s" % (self.made, "".join(c for c in common_name if c.isalnum())))
        make_key(stem + ".key", kind)
        with open(stem + ".ext", "w") as f:
            f.write(extensions)
            if names:
                f.write("subjectAltName = %s\n" % names)
            if usage:
                f.write("extendedKeyUsage = %s\n" % usage)
            if not extensions:
                f.write("basicConstraints = CA:FALSE\n")
        subject = "/CN=" + common_name + ("/O=" + organization if organization else "")
        openssl("req", "-new", "-config", self.config, "-key", stem + ".key", "-subj", subject, "-out", stem + ".csr")
        dates = (["-startdate", start] if start else []) + (["-enddate", end] if end else [])
        openssl("ca", "-batch", "-notext", "-config", self.config, "-in", stem + ".csr", "-out", stem + ".pem",
                "-extfile", stem + ".ext", *dates)
        return Pair(stem + ".pem", stem + ".key")

    def client(self, common_name, **how):
        how.setdefault("usage", "clientAuth")
        return self.issue(common_name, **how)

    def revoke(self, pair):
        openssl("ca", "-batch", "-config", self.config, "-revoke", pair.certificate)
        return pair

    def crl(self, *dates):
        """The revocation list as of now, as PEM.  dates: further arguments of `openssl ca`."""
        return openssl("ca", "-batch", "-config", self.config, "-gencrl", *dates).decode()

    def ocsp(self, pair, path):
        """An OCSP response for a certificate, signed by the CA itself."""
        openssl("ocsp", "-index", os.path.join(self.folder, "index.txt"), "-CA", self.path, "-rsigner", self.path,
                "-rkey", self.key, "-issuer", self.path, "-cert", pair.certificate, "-ndays", "7", "-noverify",
                "-respout", path)
        return path


def make_key(path, kind):
    if kind == "ec":
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    else:
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path)
    os.chmod(path, 0o600)


@functools.cache
def authority(name="Test CA"):
    return Authority(name)


@functools.cache
def server(kind="ec"):
    """The certificate that test daemons serve."""
    return authority().issue("localhost", names=SERVER_NAMES, usage="serverAuth", kind=kind)


@functools.cache
def client(common_name="alice"):
    return authority().client(common_name)


def context(version=None, certificate=None, alpn=None, ciphers=None, verify=True):
    """How a client speaks TLS: one version or both, with a certificate of its own or without."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if verify:
        made.load_verify_locations(authority().path)
    else:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if version:
        made.minimum_version = made.maximum_version = VERSIONS[version]
    if certificate:
        made.load_cert_chain(certificate.certificate, certificate.key)
    if alpn:
        made.set_alpn_protocols(alpn)
    if ciphers:
        made.set_ciphers(ciphers)
    return made
