# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""A client that begins TLS on the data connection before its transfer command, as curl does, and waits for the answer:
it must come without that command, and change nothing of what a transfer may do."""

import os
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from ftp import finish, read_all  # noqa: E402

VERSIONS = ("1.2", "1.3")


def logins(mode, conf=""):
    for version in VERSIONS:
        with wharf.Daemon(mode, tls=True, conf=conf) as d:
            d.make("file", b"hello")
            with d.login_tls(context=certificates.context(version)) as f:
                yield d, f


@case("Y01", "the handshake ends before the command; the transfer is as any other")
def both_ways(mode):
    for d, f in logins(mode, "tls_reuse = on\n"):
        for i in range(20):
            data = f.secure_data(f.passive())
            f.expect("STOR new%d" % i, 150)
            data.sendall(b"x" * i * 5000)
            finish(data)
            check(f.reply() == 226)
            check(open(d.path("new%d" % i), "rb").read() == b"x" * i * 5000)
            data = f.secure_data(f.passive())
            f.expect("RETR file", 150)
            check(read_all(data) == b"hello")
            check(f.reply() == 226)
        check(len(d.log().split("tls=resumed")) == 41)


@case("Y02", "what was said before the command counts: a session that is not the control connection's, or no TLS")
def refused(mode):
    for d, f in logins(mode, "tls_reuse = on\n"):
        f.resume = False
        data = f.secure_data(f.passive())
        f.expect("STOR file", 150)
        check(f.reply() == 522)
        data.close()
        data = f.passive()
        data.sendall(b"no TLS at all\r\n" * 10)
        time.sleep(0.2)
        f.expect("STOR file", 150)
        check(f.reply() == 522)
        data.close()
        check(open(d.path("file"), "rb").read() == b"hello")


@case("Y03", "a client that is gone, and one that changes its mind, leave nothing behind")
def leaves(mode):
    for d, f in logins(mode):
        with d.steady():
            for _ in range(30):
                f.secure_data(f.passive()).close()
            f.secure_data(f.passive())
            f.expect("ABOR", 225)
            f.expect("PROT C", 200)
            data = f.passive()
            f.expect("RETR file", 150)
            check(read_all(data) == b"hello")
            check(f.reply() == 226)
            f.expect("PROT P", 200)
            data = f.passive()
            time.sleep(0.1)
            f.expect("PROT C", 200)
            f.expect("RETR file", 150)
            check(read_all(data) == b"hello")
            check(f.reply() == 226)
            check(not d.listeners(d.ports.first + 4, d.ports.last))


@case("Y04", "150 does not overtake a handshake that has begun, and does not wait for ever for one")
def in_order(mode):
    for d, f in logins(mode):
        for ends in (True, False):
            into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = f.context.wrap_bio(into, out, server_hostname=f.name, session=f.sock.session)

            def shake():
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                data.sendall(out.read())
            data = f.passive()
            shake()
            begin = time.monotonic()
            f.raw(b"STOR empty\r\n")
            f.sock.settimeout(0.1)
            try:
                f.buffer += f.sock.recv(100)
                check(time.monotonic() - begin > 0.2, "150 came first", f.buffer)
            except TimeoutError:
                pass
            f.sock.settimeout(f.timeout)
            if ends:
                into.write(data.recv(65536))
                shake()
                check(f.reply() == 150)
                try:
                    tls.unwrap()
                except ssl.SSLWantReadError:
                    pass
                data.sendall(out.read())
                check(f.reply() == 226)
            else:
                begin = time.monotonic()
                check(f.reply() == 150)
                check(time.monotonic() - begin < 10, "as long as a handshake may last")
                data.close()
                check(f.reply().code in (426, 522))


if __name__ == "__main__":
    main()
