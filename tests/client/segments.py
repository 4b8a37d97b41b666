# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""A TLS 1.3 client whose last flight is two segments, as GnuTLS sends it: Nagle's algorithm keeps the second until the
first is acknowledged, which must not take the 40 ms that a delayed acknowledgement does."""

import os
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402

CHANGE_CIPHER_SPEC = b"\x14\x03\x03\x00\x01\x01"
LIMIT = 0.030  # one of TRIES is below; a delayed acknowledgement comes after 40 ms every time
TRIES = 100


class Segments:
    """A TLS client on a socket with Nagle's algorithm on."""

    def __init__(self, sock, session=None):
        self.sock, self.into, self.out = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = certificates.context("1.3").wrap_bio(
            self.into, self.out, server_hostname="localhost", session=session)
        self.split = False

    def flush(self):
        data = self.out.read()
        if data.startswith(CHANGE_CIPHER_SPEC):
            self.sock.send(data[:len(CHANGE_CIPHER_SPEC)])
            data = data[len(CHANGE_CIPHER_SPEC):]
            self.split = True
        if data:
            self.sock.sendall(data)

    def run(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                if data:
                    self.into.write(data)
                else:
                    self.into.write_eof()


def best(measure):
    times = []
    while len(times) < TRIES and (not times or times[-1] >= LIMIT):
        times.append(measure())
    check(times[-1] < LIMIT, "milliseconds:", ["%.1f" % (t * 1000) for t in times])


@case("T01", "the control connection")
def control(mode):
    def measure():
        with d.ftp() as f:
            f.sock.setsockopt(6, 1, 0)  # no TCP_NODELAY
            f.expect("AUTH TLS", 234)
            client = Segments(f.sock)
            begin = time.monotonic()
            client.run(client.tls.do_handshake)
            client.tls.write(b"NOOP\r\n")
            reply = client.run(client.tls.read, 100)
            took = time.monotonic() - begin
            check(reply.startswith(b"200 ") and client.split, reply)
            return took

    with wharf.Daemon(mode, tls=True) as d:
        best(measure)


@case("T02", "data connections")
def data(mode):
    def measure():
        sock = f.passive()
        f.expect("RETR file", 150)
        client = Segments(sock)
        begin = time.monotonic()
        client.run(client.tls.do_handshake)
        got = client.run(client.tls.read, 100)
        took = time.monotonic() - begin
        check(got == b"hello" and client.split, got)
        sock.close()
        f.reply()
        return took

    with wharf.Daemon(mode, tls=True) as d:
        d.make("file", b"hello")
        with d.login_tls() as f:
            best(measure)


if __name__ == "__main__":
    main()
