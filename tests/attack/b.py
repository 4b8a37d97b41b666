# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Attacks on TLS, and on the place where it begins and ends."""

import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import handmade  # noqa: E402
import wharf  # noqa: E402
from cases import case, check, main, until  # noqa: E402
from ftp import Closed, finish, notify, read_all, reset  # noqa: E402

VERSIONS = ("1.2", "1.3")
ENDED = (Closed, ConnectionError, ssl.SSLError)


def context(version=None, **how):
    return certificates.context(version, **how)


def s_client(d, *args, say=b"QUIT\r\n", implicit=False):
    """What `openssl s_client` tells; it ends when the server does."""
    where = ["-connect", "127.0.0.1:%d" % (d.tls_port if implicit else d.port)]
    start = [] if implicit else ["-starttls", "ftp"]
    p = subprocess.Popen(["openssl", "s_client", *where, *start, "-nocommands", "-servername", "localhost", "-CAfile",
                          certificates.authority().path, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, bufsize=0)
    # Its own input stays open: at the end of that it would not wait for the server's.
    late = threading.Timer(15, p.kill)
    late.start()
    try:
        p.stdin.write(say)
    except BrokenPipeError:
        pass
    with p, p.stdout:
        told = p.stdout.read()
    late.cancel()
    return told.decode("utf-8", "replace")


def content(d, name):
    try:
        with open(d.path(name), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


@case("B01", "commands in clear behind AUTH")
def injection(mode):
    with wharf.Daemon(mode, tls=True, expect=["TLS"]) as d, d.steady():
        def answered(f):
            """No FEAT that came in clear is answered, within TLS or outside; the session ends."""
            try:
                r = f.reply()
                if r.code == 234:
                    f.start_tls(context())
                    f.sock.settimeout(8)  # less than a handshake may take
                    r = f.reply()
                check(r.code != 211 and b"211" not in f.buffer, "FEAT was answered:", r)
                r = f.cmd("NOOP")
                check(False, "the session goes on:", r)
            except TimeoutError:
                check(False, "the session stands open")
            except ENDED:
                check(b"211" not in f.buffer, f.buffer)
        for verb in (b"AUTH TLS", b"AUTH SSL", b"AUTH TLS-C"):
            with d.ftp(timeout=8) as f:
                f.raw(verb + b"\r\nFEAT\r\n")
                answered(f)
        with d.ftp(timeout=8) as f:
            f.raw(b"NOOP\r\nAUTH TLS\r\nFE")
            f.reply()
            f.raw(b"AT\r\n")
            answered(f)
        # What comes later, also behind 234, is no ClientHello.
        for pause in (0, 0.2):
            with d.ftp(timeout=8) as f:
                f.raw(b"AUTH TLS\r\n")
                time.sleep(pause)
                f.raw(b"FEAT\r\n")
                answered(f)
        # Nothing of the time before is answered within.
        with d.ftp() as f:
            f.cmd("NOOP")
            f.auth_tls(context())
            check("200 again" not in f.cmd("SYST") and f.cmd("PWD").code == 530)


@case("B02", "a user's name from before TLS")
def carried(mode):
    with wharf.Daemon(mode, tls=True) as d, d.steady():
        for version in VERSIONS:
            with d.ftp() as f:
                f.expect("USER alice", 331)
                f.auth_tls(context(version))
                f.expect("PASS wonder land", 503)
                f.login("alice", "wonder land")
                f.expect("AUTH TLS", 503)
        with d.ftp() as f:
            f.expect("EPSV ALL", 200, 530)
            f.auth_tls(context()).login("alice", "wonder land")


@case("B03", "another protocol's ALPN, and names of SNI that nobody serves")
def alpn(mode):
    with wharf.Daemon(mode, tls=True, expect=["TLS"]) as d, d.steady():
        for version in VERSIONS:
            for implicit in (False, True):
                for protocols in (["h2", "http/1.1"], ["http/1.1"], ["smtp", "imap", "ftpx"]):
                    try:
                        d.secure(context(version, alpn=protocols), implicit).close()
                        check(False, "accepted", protocols)
                    except ssl.SSLError as e:
                        check("NO_APPLICATION_PROTOCOL" in str(e).upper().replace(" ", "_"), e)
                for protocols in (["ftp"], ["h2", "ftp"]):
                    with d.login_tls(context=context(version, alpn=protocols), implicit=implicit) as f:
                        check(f.sock.selected_alpn_protocol() == "ftp", f.sock.selected_alpn_protocol())
                        f.put("f", b"over ALPN")
                with d.secure(context(version), implicit) as f:
                    check(f.sock.selected_alpn_protocol() is None)
            with d.secure(context(version, verify=False), name="nobody.example") as f:
                f.expect("NOOP", 200)
    with wharf.Daemon(mode, tls=True, conf="tls_strict_sni = yes", expect=["TLS"]) as d, d.steady():
        for version in VERSIONS:
            try:
                d.secure(context(version, verify=False), name="nobody.example").close()
                check(False, "accepted")
            except ssl.SSLError as e:
                check("UNRECOGNIZED_NAME" in str(e).upper().replace(" ", "_"), e)
            for name in ("localhost", "FTP.Example.Test", "127.0.0.1"):
                with d.secure(context(version), name=name) as f:
                    f.expect("NOOP", 200)


@case("B04", "requests of other protocols, within TLS")
def cross(mode):
    with wharf.Daemon(mode, tls=True) as d, d.steady():
        for line in ("POST / HTTP/1.1", "GET / HTTP/1.1", "HEAD /", "PUT /x HTTP/1.1", "OPTIONS * HTTP/1.0", "EHLO x",
                     "CONNECT a:1 HTTP/1.1", "SSH-2.0-x", "{"):
            with d.secure() as f:
                f.raw(line.encode() + b"\r\nHost: x\r\n\r\nUSER alice\r\nPASS wonder land\r\nMKD pwn\r\n")
                check(f.closed(5), line)
        with d.login_tls() as f:
            f.raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMKD pwn\r\n")
            check(f.closed(5))
        check(not os.path.exists(d.path("pwn")))
        with d.secure() as f:
            codes = []
            try:
                for _ in range(20):
                    codes.append(f.cmd("WHAT").code)
            except ENDED:
                pass
            check(len(codes) <= 11 and codes[-1] == 421, codes)


def cut_upload(f, version, data, at, end, resume=True):
    """Sends `at` bytes of the records that data makes, or a part of the handshake (at < 0), and ends by FIN or RST.
    Returns the last reply, and how many of the data's bytes were sent whole."""
    sock = f.passive()
    r = f.cmd("STOR t")
    check(r.code == 150, r)
    records = handmade.Records(sock, f.context, session=f.sock.session if resume else None)
    whole = 0
    if at < 0:
        flights = []

        def part(flight):
            """-1: nothing at all, -2: half of the first flight, -3: all of it, -4: half of the last, -5: all of it."""
            flights.append(flight)
            if at >= -3 and len(flights) == 1:
                sock.sendall(flight[:{-1: 0, -2: len(flight) // 2, -3: len(flight)}[at]])
                return False
            if at < -3 and len(flights) == 2:
                sock.sendall(flight[:len(flight) // 2] if at == -4 else flight)
                return False
            sock.sendall(flight)
            return True
        records.handshake(part)
    else:
        records.handshake()
        sealed = b"".join(records.seal(data[i:i + handmade.RECORD]) for i in range(0, len(data), handmade.RECORD))
        over = len(records.seal(bytes(handmade.RECORD))) - handmade.RECORD
        try:
            sock.sendall(sealed[:at])
        except ConnectionError:
            pass
        whole = at // (handmade.RECORD + over) * handmade.RECORD
    if end == "rst":
        reset(sock)
    else:
        sock.close()
    return f.reply(), whole


@case("B05", "TLS's end forged by FIN or RST at any point of an upload: it is never told complete")
def truncated(mode):
    data = os.urandom(16 * handmade.RECORD)
    record = handmade.RECORD + 22
    points = [-1, -2, -3, -4, -5, 0] + [i * len(data) // 16 for i in range(1, 16)]
    # At the boundaries of records, and around them, for each version's length of them.
    points += [k * (handmade.RECORD + over) + by for k in (1, 5, 15, 16) for over in (22, 29) for by in (0, 1, 5, -1)]
    with wharf.Daemon(mode, tls=True) as d, d.steady():
        for version in VERSIONS:
            with d.login_tls(context=context(version)) as f:
                for end in ("fin", "rst"):
                    for at in points:
                        at = min(at, 16 * record + 200)
                        r, whole = cut_upload(f, version, data, at, end)
                        check(r.code in (425, 426, 451, 522), version, end, at, r)
                        stored = content(d, "t")
                        check(stored is None or (len(stored) <= len(data) and data.startswith(stored)), version, end, at)
                # The same with its end is whole, so that it was the end that was missed.
                f.put("t", data)
                check(content(d, "t") == data)
        ends = [t["verdict"] for t in d.transfers() if t["path"] == "/t"]
        check(ends.count("close-notify") == 2 and len(ends) == 2 + 4 * len(points), ends)


@case("B05a", "where tls_require_close_notify = no, FIN ends an upload, and RST still does not")
def lenient(mode):
    with wharf.Daemon(mode, tls=True, conf="tls_require_close_notify = no") as d, d.steady():
        for version in VERSIONS:
            with d.login_tls(context=context(version)) as f:
                sock, _ = f.open("STOR f")
                sock.sendall(b"all of it" * 5000)
                sock.close()
                check(f.reply().code == 226)
                check(content(d, "f") == b"all of it" * 5000)
                sock, _ = f.open("STOR g")
                sock.sendall(b"all of it" * 5000)
                reset(sock)
                check(f.reply().code == 426)


@case("B06", "a bit flipped under way")
def flipped(mode):
    with wharf.Daemon(mode, tls=True, expect=["TLS"]) as d, d.steady():
        for version in VERSIONS:
            with d.login_tls(context=context(version)) as f:
                for at in (3, 4, 5, 100, 16000, 20000):
                    sock = f.passive()
                    f.expect("STOR t", 150)
                    records = handmade.Records(sock, f.context, session=f.sock.session)
                    records.handshake()
                    sealed = bytearray(records.seal(b"x" * 30000))
                    sealed[at] ^= 1
                    try:
                        sock.sendall(sealed + records.close_notify())
                        sock.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                    r = f.reply()
                    sock.close()
                    check(r.code in (426, 522), version, at, r)
                    check(content(d, "t") in (b"", None, b"x" * 16384), version, at)


@case("B07", "RST on an upload in clear beside TLS on the control connection")
def clear_reset(mode):
    with wharf.Daemon(mode, tls=True) as d, d.steady(), d.login_tls(protect=False) as f:
        sock, _ = f.open("STOR t")
        sock.sendall(b"x" * 50000)
        time.sleep(0.1)
        reset(sock)
        check(f.reply().code == 426)


@case("B08", "data connections that don't resume, where they must")
def unresumed(mode):
    with wharf.Daemon(mode, tls=True, conf="tls_reuse = on") as d, d.steady():
        d.make("secret", b"secret" * 5000)
        d.make("old", b"old")
        for version in VERSIONS:
            for active in (False, True):
                with d.login_tls(context=context(version)) as f:
                    f.resume = False
                    for command in ("RETR secret", "LIST", "STOR new", "STOR old", "APPE old"):
                        got = b""
                        try:
                            sock, r = f.open(command, active=active)
                            check(sock is not None, r)
                            with sock:
                                if command[:4] in ("STOR", "APPE"):
                                    sock.sendall(b"evil" * 10)
                                    finish(sock)
                                else:
                                    got = read_all(sock)
                        except (ssl.SSLError, ConnectionError):
                            pass
                        check(f.reply().code == 522, version, command)
                        check(got == b"", version, command, got[:50])
                    f.resume = True
                    check(f.get("RETR secret") == b"secret" * 5000)
        check(content(d, "new") in (b"", None), content(d, "new"))
        check(content(d, "old") in (b"", b"old"), content(d, "old"))
        check(sum(t["tls"] == "resumed" for t in d.transfers()) == 4)


@case("B09", "a session of another control connection on a data connection")
def stolen(mode):
    for reuse in ("on", "auto"):
        with wharf.Daemon(mode, tls=True, conf="tls_reuse = " + reuse) as d, d.steady():
            d.make("secret", b"secret" * 5000)
            for version in VERSIONS:
                same = context(version)
                with d.secure(same) as other, d.login_tls(context=same) as third, d.login_tls(context=same) as f:
                    other.expect("NOOP", 200)
                    third.get("RETR secret")
                    for thief in (other, third):
                        sock = f.passive()
                        f.expect("RETR secret", 150)
                        got, resumed = b"", False
                        try:
                            with f.secure_data(sock, thief.sock.session) as data:
                                resumed = data.session_reused
                                got = read_all(data)
                        except (ssl.SSLError, ConnectionError):
                            pass
                        check(not resumed, "another session was resumed")
                        r = f.reply()
                        if reuse == "on":
                            check(r.code == 522 and got == b"", version, r, len(got))
                        else:
                            check(r.code == 226 and got == b"secret" * 5000, version, r)
                            check(d.transfers()[-1]["tls"] == "yes")


@case("B10", "tickets that are used once, or many times")
def tickets(mode):
    with wharf.Daemon(mode, tls=True, conf="tls_reuse = on") as d, d.steady():
        d.make("f", b"x" * 100000)
        with d.login_tls(context=context("1.3")) as f:
            used = {f.sock.session.id}
            for i in range(12):
                verb = ("PASV", "EPSV", "PORT", "EPRT")[i % 4]
                if verb in ("PORT", "EPRT"):
                    listener = f.active(verb)
                else:
                    sock = f.dial(f.pasv_address() if verb == "PASV" else f.epsv_address())
                # Strictly single-use: a ticket that came since the last transfer.
                session = f.sock.session
                check(session.id not in used, verb, "brought no ticket of its own")
                used.add(session.id)
                check(3600 <= session.ticket_lifetime_hint <= 604800, session.ticket_lifetime_hint)
                f.expect("RETR f", 150)
                if verb in ("PORT", "EPRT"):
                    sock, _ = listener.accept()
                    listener.close()
                with f.secure_data(sock, session) as data:
                    check(read_all(data) == b"x" * 100000)
                    check(data.session_reused)
                    check(data.session.id == session.id, "a ticket came on the data connection")
                    finish(data)
                check(f.reply().code == 226)
            # One ticket for all.
            first = f.sock.session
            for i in range(20):
                sock = f.passive()
                f.expect("RETR f", 150)
                with f.secure_data(sock, first) as data:
                    check(read_all(data) == b"x" * 100000 and data.session_reused, i)
                    finish(data)
                check(f.reply().code == 226)
        with d.login_tls(context=context("1.2")) as f:
            for i in range(20):
                check(f.get("RETR f") == b"x" * 100000)
        check({t["tls"] for t in d.transfers()} == {"resumed"}, "not all were resumed")


@case("B11", "100 uploads by a client that never reads its data connection")
def unread(mode):
    data = os.urandom(3 << 20)
    with wharf.Daemon(mode, tls=True) as d, d.steady():
        for version, times in (("1.3", 100), ("1.2", 20)):
            with d.login_tls(context=context(version)) as f:
                for i in range(times):
                    sock = f.passive()
                    f.expect("STOR f%d" % (i % 3), 150)
                    records = handmade.Records(sock, f.context, session=f.sock.session if i % 2 else None)
                    records.handshake()
                    sock.sendall(records.seal(data[:3 * 1048576 - i]) + records.close_notify())
                    sock.close()
                    r = f.reply()
                    check(r.code == 226, version, i, r)
                    check(content(d, "f%d" % (i % 3)) == data[:3 * 1048576 - i], version, i, "is not whole")
                    os.unlink(d.path("f%d" % (i % 3)))


@case("B12", "bytes in clear where PROT P was said")
def clear_data(mode):
    with wharf.Daemon(mode, tls=True) as d, d.steady(), d.login_tls() as f:
        d.make("secret", b"secret" * 1000)
        for text in (b"in clear, not TLS", b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), b"\0" * 70000):
            for command in ("STOR new", "RETR secret"):
                sock, _ = f.open(command, clear=True)
                got = b""
                try:
                    sock.sendall(text)
                    sock.shutdown(socket.SHUT_WR)
                    got = read_all(sock)
                except OSError:
                    pass
                sock.close()
                r = f.reply()
                check(r.code in (425, 426, 522), command, text[:20], r)
                check(b"secret" not in got, got)
        check(content(d, "new") in (b"", None), content(d, "new"))


@case("B13", "renegotiation, and compression")
def renegotiation(mode):
    with wharf.Daemon(mode, tls=True, expect=["TLS"]) as d, d.steady():
        for _ in range(3):
            with d.ftp() as f:
                f.expect("AUTH TLS", 234)
                raw = handmade.Libssl(f.sock, "1.2")
                raw.write(b"NOOP\r\n")
                check(raw.read().startswith(b"200"))
                check(not raw.renegotiate(), "it was renegotiated")
                raw.close()
        for version in ("-tls1_2", "-tls1_3"):
            told = s_client(d, version, "-comp")
            check("Compression: NONE" in told and "221" in told, told)
        told = s_client(d, "-tls1_2")
        check("Secure Renegotiation IS supported" in told, told)


@case("B14", "AUTH, PBSZ, PROT and CCC at the wrong time")
def order(mode):
    with wharf.Daemon(mode, tls=True) as d, d.steady():
        with d.ftp() as f:
            for line, codes in (("PBSZ 0", (503,)), ("PROT P", (503,)), ("CCC", (530, 533)), ("AUTH", (501,)), ("AUTH X", (504,))):
                f.expect(line, *codes)
            f.auth_tls(context())
            for line, code in (("AUTH TLS", 503), ("PROT P", 503), ("PBSZ 4294967296", 501), ("PBSZ 1x", 501), ("CCC", 530),
                               ("PBSZ 4294967295", 200), ("PROT S", 536), ("PROT E", 536), ("PROT Q", 504), ("PROT C", 200)):
                f.expect(line, code)
            f.login("alice", "wonder land")
            for line, code in (("AUTH TLS", 503), ("CCC", 534), ("PROT P", 200), ("NOOP", 200)):
                f.expect(line, code)
            check(isinstance(f.sock, ssl.SSLSocket) and f.sock.version())
            f.protect = True
            d.make("f", bytes(30 << 20))
            sock, _ = f.open("RETR f")
            f.raw(b"AUTH TLS\r\nCCC\r\n")
            time.sleep(0.2)
            with sock:
                check(len(read_all(sock)) == 30 << 20)
                finish(sock)
            check([f.reply().code for _ in range(3)] == [226, 503, 534])
        with d.login() as f:
            f.expect("AUTH TLS", 503)
            f.expect("PWD", 257)


def bearer_is_let_in(d, version, pair, implicit=False):
    try:
        with d.secure(context(version, certificate=pair), implicit) as f:
            return f.cmd("NOOP").code == 200
    except ENDED:
        return False


@case("B15", "certificates of clients: expired, revoked, of another CA, for another use, much too long")
def bearers(mode):
    ca = certificates.Authority("Clients")
    middle, gone = certificates.Authority("Middle", ca), certificates.Authority("Gone", ca)
    other = certificates.Authority("Other")
    good, revoked, late = ca.client("alice"), ca.client("bob"), ca.client("carol")
    by_middle, by_gone = (a.client("dora") for a in (middle, gone))
    for pair, above in ((by_middle, middle), (by_gone, gone)):
        with open(pair.certificate, "a") as f, open(above.path) as chain:
            f.write(chain.read())
    bad = {"expired": ca.client("old", start="20200101000000Z", end="20210101000000Z"), "of another CA": other.client("alice"),
           "not yet valid": ca.client("new", start="20400101000000Z", end="20410101000000Z"),
           "for servers": ca.issue("alice", usage="serverAuth"), "self-signed": certificates.Pair(other.path, other.key)}
    many = ca.client("many", names=",".join("DNS:n%d.example" % i for i in range(5000)))
    chain = certificates.Pair(good.certificate + ".chain", good.key)
    with open(chain.certificate, "w") as f:
        f.write(good.pem() + "".join(certificates.Pair(middle.path, "").pem() for _ in range(150)))
    none = ca.crl()
    ca.revoke(revoked)
    before_late = ca.crl()
    ca.revoke(late)
    ca.revoke(certificates.Pair(gone.path, gone.key))
    now = ca.crl()
    stale = ca.crl("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20210101000000Z")
    both = now + middle.crl() + gone.crl()
    #        its list     let in                                  refused
    lists = [(None, (good, revoked, late, by_middle, by_gone), ()),
             (none, (good, revoked, late), (by_middle,)),
             (stale, (), (good, revoked)),
             (before_late, (good, late), (revoked,)),
             (before_late + now, (good,), (revoked,)),
             (both, (good, by_middle), (revoked, late, by_gone)),
             (other.crl(), (), (good, revoked))]
    text = 'tls_client_certificate = require\ntls_client_ca = "${folder}/clients.pem"\n'
    for crl, let_in, refused in lists:
        conf = text + ('tls_client_crl = "${folder}/crl.pem"\n' if crl else "")
        d = wharf.Daemon(mode, tls=True, conf=conf, expect=["TLS"])
        d.keep(ca.path, "clients.pem")
        if crl:
            d.keep(crl, "crl.pem")
        with d:
            for version in VERSIONS:
                for pair in let_in:
                    check(bearer_is_let_in(d, version, pair), version, "refused:", pair.certificate, lists.index((crl, let_in, refused)))
                for pair in refused:
                    check(not bearer_is_let_in(d, version, pair), version, "let in:", pair.certificate,
                          lists.index((crl, let_in, refused)))
                check(not bearer_is_let_in(d, version, None), "none was asked for")
                if crl is None:
                    for why, pair in bad.items():
                        for implicit in (False, True):
                            check(not bearer_is_let_in(d, version, pair, implicit), version, why)
                    for pair in (many, chain):
                        bearer_is_let_in(d, version, pair)
                    check(bearer_is_let_in(d, version, good), "after very long ones")


@case("B15a", "a login by certificate is the bearer's alone")
def certified(mode):
    ca = certificates.Authority("Staff")
    alice, bob, nobody = ca.client("alice"), ca.client("bob"), ca.client("mallory")
    users = [wharf.User("alice", "one"), wharf.User("bob", "two")]
    text = 'tls_client_certificate = request\ntls_client_ca = "${folder}/clients.pem"\n'

    def daemon(more):
        d = wharf.Daemon(mode, users=users, tls=True, conf=text + more, expect=["TLS"])
        d.keep(ca.path, "clients.pem")
        for user in users:
            user.root = None
        return d
    with daemon("tls_client_user = cn\ntls_client_password = no") as d:
        for version in VERSIONS:
            with d.secure(context(version, certificate=alice)) as f:
                f.expect("USER bob", 530)
                f.expect("PASS two", 503, 530)
                f.expect("USER alice", 232)
                f.expect("PBSZ 0", 200)
                f.expect("PROT P", 200)
                f.protect = True
                f.expect("PWD", 257)
                f.put("hers", b"by certificate")
                # Without a resumed session, a data connection shows that it is hers by the certificate.
                bare = context(version)
                sock = f.passive()
                f.expect("RETR hers", 150)
                try:
                    with bare.wrap_socket(sock, server_hostname="localhost") as data:
                        check(read_all(data) == b"", "sent to somebody without her certificate")
                except ENDED:
                    pass
                check(f.reply().code == 522)
                f.resume = False
                check(f.get("RETR hers") == b"by certificate")
            with d.secure(context(version, certificate=nobody)) as f:
                f.expect("USER alice", 530, 331)
                f.expect("PASS one", 530, 503)
            with d.secure(context(version)) as f:
                f.login("alice", "one")
    with daemon("tls_client_user = cn\ntls_client_password = yes") as d:
        with d.secure(context(certificate=alice)) as f:
            f.expect("USER alice", 331)
            f.expect("PASS wrong", 530)
            f.login("alice", "one")
        with d.secure(context(certificate=bob)) as f:
            f.expect("USER alice", 530)
    with daemon('tls_client_user = map\ntls_client_password = no\n'
                'tls_client_map = {"sha256:%s = bob", "CN=bob = alice"}' % alice.fingerprint()) as d:
        for pair, name in ((alice, "bob"), (bob, "alice")):
            with d.secure(context(certificate=pair)) as f:
                f.expect("USER " + name, 232)
                f.expect("PWD", 257)


@case("B16", "handshakes that never end, and keys that are renewed without end")
def endless(mode):
    with wharf.Daemon(mode, tls=True, conf="tls_handshake_timeout = 2s\nworkers = 1", expect=["TLS"]) as d, d.steady(), \
            d.login() as other:
        greeting = handmade.hello(0x0303, [0xc02b, 0xc02f])
        for implicit in (False, True):
            sock = socket.create_connection(("127.0.0.1", d.tls_port if implicit else d.port), 10)
            if not implicit:
                sock.recv(1000)
                sock.sendall(b"AUTH TLS\r\n")
                check(sock.recv(1000).startswith(b"234"))
            check(1 < trickle(sock, greeting) < 12, "not cut in time")
        for command in ("RETR f", "STOR g"):
            with d.login_tls() as f:
                d.make("f", b"x")
                sock, _ = f.open(command, clear=True)
                check(1 < trickle(sock, greeting) < 12, "not cut in time")
                check(f.reply().code in (425, 426, 522), command)
        # New keys without end: the client is served as fast as it asks, and no other waits for it.
        with d.ftp() as f:
            f.expect("AUTH TLS", 234)
            raw = handmade.Libssl(f.sock)
            count = []

            def storm():
                begin = time.monotonic()
                # For three seconds, or until there were many on a machine that is slow.
                while time.monotonic() - begin < (3 if len(count) > 1000 else 30) and raw.key_update(asks=False):
                    count.append(1)
            thread = threading.Thread(target=storm)
            thread.start()
            waits = []
            while thread.is_alive():
                begin = time.monotonic()
                other.expect("NOOP", 200)
                waits.append(time.monotonic() - begin)
            raw.write(b"NOOP\r\n")
            check(raw.read().startswith(b"200"), "did not survive %d new keys" % len(count))
            raw.close()
            check(len(count) > 1000, len(count))
            waits.sort()
            check(wharf.is_sanitized() or waits[len(waits) // 2] < 0.2, "others wait as a rule", waits[len(waits) // 2])
            check(waits[-1] < 2.5, "others waited", waits[-1])
        # And of the server: it does not hold answers without end for who does not read them, whether it ends him or not.
        with d.ftp() as f:
            f.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            f.expect("AUTH TLS", 234)
            raw = handmade.Libssl(f.sock)
            # A server that has stopped to read is as good as one that ends him.
            f.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 5, 0))
            before, end = d.rss("wharfd-worker"), time.monotonic() + 4
            while time.monotonic() < end and raw.key_update(asks=True):
                pass
            check(wharf.is_sanitized() or d.rss("wharfd-worker") - before < 4 << 20, "memory grew")
            raw.close()
        for told in (s_client(d, "-tls1_3"), s_client(d, "-tls1_3", implicit=True)):
            check("Max Early Data: 0" in told, told)


def trickle(sock, data):
    """A byte of data now and then; the seconds after which the server ended it, or 14."""
    begin = time.monotonic()
    sock.settimeout(0.2)
    for byte in data:
        try:
            sock.sendall(bytes([byte]))
            if not sock.recv(100):
                break
        except TimeoutError:
            pass
        except ConnectionError:
            break
        if time.monotonic() - begin > 14:
            break
    sock.close()
    return time.monotonic() - begin


@case("B16a", "a flood of handshakes while transfers go on")
def flood(mode):
    limit = 2 if wharf.is_sanitized() else 0.5
    with wharf.Daemon(mode, tls=True, conf="workers = 1\nmax_sessions = 400\nmax_sessions_per_address = 400",
                      expect=["TLS"]) as d, d.steady():
        d.make("f", os.urandom(8 << 20))
        waits = []
        # What a busy machine delays is not delayed each time.
        while len(waits) < 3 and (not waits or waits[-1] >= limit):
            waits.append(flooded(d, 8 << 20))
        check(waits[-1] < limit, "a transfer stood still for", waits)


def flooded(d, size):
    """How long a download and another session stand still at most, in seconds."""
    greeting = handmade.hello(0x0303, [0xc02f, 0xc030])  # the RSA key costs most
    crowd = [d.ftp() for _ in range(250)]
    with d.login_tls() as f, d.login_tls() as other:
        sock, _ = f.open("RETR f")
        for one in crowd:
            one.raw(b"AUTH TLS\r\n")
        for one in crowd:
            one.reply()
        for one in crowd:
            one.raw(greeting)
        worst, taken = 0, 0
        while taken < size:
            one = time.monotonic()
            taken += len(sock.recv(1 << 18))
            other.expect("NOOP", 200)
            worst = max(worst, time.monotonic() - one)
        finish(sock)
        check(f.reply().code == 226)
        with d.login_tls() as late:
            late.expect("PWD", 257)
        heard = 0
        for one in crowd:
            heard += handmade.answer(one.sock)[0] == "hello"
            one.close()
        check(heard > 200, "only %d handshakes were answered" % heard)
    return worst


@case("B16b", "a client that goes away in the middle of its handshake does not hold its session")
def left(mode):
    with wharf.Daemon(mode, tls=True, conf="tls_handshake_timeout = 5m", expect=["TLS"]) as d, d.steady():
        greeting = handmade.hello(0x0303, SOUND)
        for implicit in (False, True):
            for data in (b"", greeting[:30], greeting):
                for end in (socket.socket.close, reset):
                    f = d.ftp(port=d.tls_port, greet=False) if implicit else d.ftp()
                    if not implicit:
                        f.expect("AUTH TLS", 234)
                    f.raw(data)
                    if data == greeting:
                        handmade.answer(f.sock)
                    time.sleep(0.05)
                    before = d.log().count("connection closed")
                    end(f.sock)
                    until(lambda: d.log().count("connection closed") > before, what="the session ends")


def with_ticket(path, version, change):
    """The session of a file by s_client, with its ticket changed."""
    text = certificates.openssl("sess_id", "-in", path, "-noout", "-text").decode()
    dump = re.search(r"TLS session ticket:\n((?:\s+[0-9a-f]{4} - .*\n)+)", text).group(1)
    ticket = b"".join(bytes.fromhex(line.split(" - ", 1)[1][:47].replace("-", " ")) for line in dump.strip().splitlines())
    der = certificates.openssl("sess_id", "-in", path, "-outform", "DER")
    check(ticket in der, "no ticket in the session")
    with open(path + ".der", "wb") as f:
        f.write(der.replace(ticket, change(ticket)))
    with open(path + ".new", "wb") as f:
        f.write(certificates.openssl("sess_id", "-inform", "DER", "-in", path + ".der"))
    return path + ".new"


@case("B17", "tickets that are garbage, of another connection, or of another daemon's key")
def garbage(mode):
    path = os.path.join(certificates.folder(), "session")
    changes = (lambda t: os.urandom(len(t)), lambda t: t[:-1] + bytes([t[-1] ^ 1]), lambda t: bytes(len(t)),
               lambda t: bytes([t[0] ^ 1]) + t[1:], lambda t: t)
    with wharf.Daemon(mode, tls=True, expect=["TLS"]) as d, d.steady():
        for version in VERSIONS:
            flag = "-tls1_" + version[-1]
            told = s_client(d, flag, "-sess_out", path, say=b"NOOP\r\nQUIT\r\n")
            check("221" in told, told)
            for change in changes:
                told = s_client(d, flag, "-sess_in", with_ticket(path, version, change))
                check("New, TLS" in told and "Reused, TLS" not in told and "221" in told, version, changes.index(change), told)
    with wharf.Daemon(mode, tls=True, expect=["TLS"]) as d, d.steady():
        told = s_client(d, flag, "-sess_in", path)
        check("New, TLS" in told and "221" in told, told)


#         suites that nobody should take: NULL, EXPORT, RC4, DES, 3DES, anonymous ones
WEAK = {"NULL": [0x0001, 0x0002, 0x003b, 0xc006, 0xc010], "EXPORT": [0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014],
        "RC4": [0x0004, 0x0005, 0xc007, 0xc011], "DES": [0x0009, 0x0015], "3DES": [0x000a, 0x0016, 0xc008, 0xc012],
        "anonymous": [0x0018, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d, 0x00a6, 0x00a7, 0xc017, 0xc018, 0xc019]}
SOUND = [0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9]
ANY = SOUND + [0xc009, 0xc00a, 0xc013, 0xc014, 0x002f, 0x0035] + WEAK["3DES"] + WEAK["RC4"]


@case("B19", "old versions, weak ciphers, and hellos that are none")
def weak(mode):
    with wharf.Daemon(mode, tls=True, expect=["TLS"]) as d, d.steady():
        def said(data, implicit=False):
            with d.ftp(port=d.tls_port, greet=False) if implicit else d.ftp() as f:
                if not implicit:
                    f.expect("AUTH TLS", 234)
                f.raw(data)
                return handmade.answer(f.sock)
        for implicit in (False, True):
            r = said(handmade.hello(0x0303, SOUND, compression=(1, 0)), implicit)
            check(r[0] == "hello" and r[1] == 0x0303 and r[2] in SOUND and r[3] == 0, "a good hello:", r)
            for version in (0x0300, 0x0301, 0x0302):
                r = said(handmade.hello(version, ANY), implicit)
                check(r[0] in ("alert", "end"), "%x" % version, r)
            r = said(handmade.hello_2([b"\x01\x00\x80", b"\x07\x00\xc0", b"\x00\x00\x2f"]), implicit)
            check(r[0] in ("alert", "end"), "SSL 2", r)
            for name, suites in WEAK.items():
                r = said(handmade.hello(0x0303, suites), implicit)
                check(r[0] in ("alert", "end"), name, r)
            for data in (b"\x16\x03\x01\x00\x00" * 50, b"\x16\x03\x01\xff\xff" + os.urandom(70000), os.urandom(3000),
                         b"\x15\x03\x01\x00\x02\x01\x00" * 3 + b"\x14\x03\x03\x00\x01\x01", b"\x17\x03\x03\x00\x05hello",
                         b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + b"\x16\x03\x01\x40\x00" + bytes(16384),
                         handmade.hello(0x0303, SOUND * 5000)):
                r = said(data, implicit)
                check(r[0] in ("alert", "end", "hello"), data[:20], r)
            # One record a byte is slow, not wrong.
            whole = handmade.hello(0x0303, SOUND)
            r = said(b"".join(b"\x16\x03\x01\x00\x01" + whole[i:i + 1] for i in range(5, len(whole))), implicit)
            check(r[0] in ("hello", "alert", "end"), r)
        for flag in ("-tls1", "-tls1_1"):
            told = s_client(d, flag, "-cipher", "ALL:@SECLEVEL=0")
            check("Cipher is (NONE)" in told, told)
        for ciphers in ("eNULL:@SECLEVEL=0", "aNULL:@SECLEVEL=0"):
            told = s_client(d, "-tls1_2", "-cipher", ciphers)
            check("Cipher is (NONE)" in told, told)
        told = s_client(d, "-tls1_2")
        check("Verify return code: 0" in told and "Cipher is (NONE)" not in told, told)
    with wharf.Daemon(mode, tls=True, conf="tls_minimum = TLSv1.3", expect=["TLS"]) as d, d.steady():
        for implicit in (False, True):
            with d.secure(context("1.3"), implicit) as f:
                f.expect("NOOP", 200)
            try:
                d.secure(context("1.2"), implicit).close()
                check(False, "TLS 1.2 was spoken")
            except ssl.SSLError:
                pass


@case("B20", "what require_tls wants is refused in clear, before a password")
def required(mode):
    #        what     USER in clear, login over TLS and then: LIST in clear, PROT C
    table = [("login", 530, 150, 200), ("control", 530, 150, 200), ("all", 530, 521, 534), ("data", 331, 521, 534)]
    for what, user, listing, clear in table:
        with wharf.Daemon(mode, tls=True, conf="require_tls = %s\nccc = yes" % what) as d:
            with d.ftp() as f:
                f.expect("USER alice", user)
                f.expect("PASS wonder land", 503 if user == 530 else 230)
            for version in VERSIONS:
                with d.login_tls(context=context(version), protect=False) as f:
                    r = f.cmd("PASV")
                    address = re.search(rb"\(\d+,\d+,\d+,\d+,(\d+),(\d+)\)", r.text)
                    with f.dial((f.host, int(address[1]) * 256 + int(address[2]))) as sock:
                        r = f.cmd("LIST")
                        check(r.code == listing, what, r)
                        if listing == 150:
                            read_all(sock)
                            check(f.reply().code == 226)
                    f.expect("PBSZ 0", 200)
                    f.expect("PROT C", clear)
                    f.prot_p()
                    f.put("f", b"protected")
                    if what in ("control", "all"):
                        f.expect("CCC", 534)
                        f.expect("PWD", 257)


@case("B21", "the end of TLS on the control connection, proper and not")
def ends(mode):
    with wharf.Daemon(mode, tls=True, conf="ccc = yes", expect=["TLS"]) as d, d.steady():
        for version in VERSIONS:
            # QUIT: a proper end.
            with d.login_tls(context=context(version)) as f:
                f.expect("QUIT", 221)
                f.sock.settimeout(5)
                f.sock.suppress_ragged_eofs = False
                check(f.sock.recv(100) == b"")
            # close_notify, FIN and RST in the middle of a session.
            for end in (lambda f: notify(f.sock), lambda f: f.sock.shutdown(socket.SHUT_RDWR), lambda f: reset(f.sock)):
                f = d.login_tls(context=context(version))
                end(f)
                f.close()


if __name__ == "__main__":
    main()
