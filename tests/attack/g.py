# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Attacks on what a session costs and leaves behind, with TLS and without."""

import os
import re
import select
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import wharf  # noqa: E402
from cases import PATIENCE, Skip, case, check, main, until  # noqa: E402
from ftp import encode, read_all  # noqa: E402

WORD = "correct-horse-battery-staple-42"

# Name, what is sent in one piece after USER's reply, and how many replies come.
NOOPS = b"NOOP " + b"x" * 40 + b"\r\n"
WAYS = (
    ("alone", b"PASS %s\r\n", 1),
    ("behind 9 KiB of other commands", NOOPS * 200 + b"USER alice\r\nPASS %s\r\n", 202),
    ("behind two records of other commands", NOOPS * 600 + b"USER alice\r\nPASS %s\r\n", 602),
    ("in the queue behind another login", b"PASS wrong\r\nUSER alice\r\nPASS %s\r\nPWD\r\n", 4),
    ("much too long", b"PASS " + b"x" * 600 + b"%s\r\n", 1),
    ("twice", b"PASS %s\r\nPASS %s\r\n", 2),
)


@case("D11a", "a password does not stay in the worker, however it came", modes=("root",))
def secrets(mode):
    if wharf.is_sanitized():
        raise Skip("freed memory is kept by the sanitizer")
    with wharf.Daemon(mode, users=[wharf.User("alice", WORD)], conf="workers = 1", tls=True) as d:
        worker = d.processes("wharfd-worker")[0]
        for connect in (d.ftp, d.secure):
            for what, text, replies in WAYS:
                with connect() as f:
                    f.expect("USER alice", 331)
                    f.raw(text.replace(b"%s", encode(WORD)))
                    for _ in range(replies):
                        f.reply()
                    check(encode(WORD) not in wharf.memory(worker), "the password is left:", connect.__name__, what)


@case("B22", "a connection that ends within a handshake is gone at once")
def cut_handshakes(mode):
    # One worker, which serves when it has all its channels: nothing else opens a descriptor.
    with wharf.Daemon(mode, tls=True, conf="workers = 1\ntls_handshake_timeout = 5m") as d, d.steady():
        d.login().close()
        d.wait_log("connection closed .*user=alice")
        before = files(d)
        hello = handshake_hello()
        for n in (0, 1, 5, 100, len(hello)):
            for port in (d.tls_port, d.port):
                with socket.create_connection((d.host, port), 10) as s:
                    if port == d.port:
                        s.recv(4096)
                        s.sendall(b"AUTH TLS\r\n")
                        check(s.recv(4096).startswith(b"234"))
                    s.sendall(hello[:n])
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
        until(lambda: files(d) == before, what="the sessions are gone")


def handshake_hello():
    out = ssl.MemoryBIO()
    try:
        certificates.context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def files(daemon):
    """The descriptors of its workers."""
    return sum(len(os.listdir("/proc/%d/fd" % pid)) for pid in daemon.processes("wharfd-worker"))


@case("B23", "nothing that came in TLS behind CCC or REIN is answered in clear")
def behind_the_end(mode):
    # REIN ends one record; AUTH ends what is decrypted at once, and more follows.
    block = 16384
    auth = b"NOOP\r\n" * ((block - 10 - 14) // 6) + b"AUTH TLS\r\n"
    auth = b"NOOP " + b"x" * (block - len(auth) - 7) + b"\r\n" + auth
    check(len(auth) == block)
    with wharf.Daemon(mode, tls=True, conf="ccc = yes") as d, d.steady():
        for first, behind in (("REIN", b"NOOP\r\n"), ("CCC", b"PWD\r\n"), ("REIN", auth + b"NOOP\r\n")):
            with (d.login_tls() if first == "CCC" else d.secure()) as f:
                sock = socket.socket(fileno=os.dup(f.sock.fileno()))
                sock.settimeout(30)
                f.expect(first, 200, 220)
                f.raw(behind)
                with sock:
                    check(clear_lines(sock) == [], first, "is followed by replies in clear")


def clear_lines(sock):
    """What comes up to the end of the connection, but for records of TLS."""
    try:
        data = read_all(sock)
    except ConnectionError:
        return []
    while data[:1] in (b"\x15", b"\x16", b"\x17"):
        data = data[5 + int.from_bytes(data[3:5], "big"):]
    return data.split(b"\r\n")[:-1]


def exchange(sock, data):
    """Sends it, and reads meanwhile, until the other side ends: all that came.  In one thread, as a TLS object wants."""
    came = []
    sock.setblocking(False)
    while not came or came[-1]:
        try:
            data = data[sock.send(data[:8192]):] if data else data
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            came.append(sock.recv(1 << 16))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            check(any(select.select([sock], [sock] if data else [], [], PATIENCE)), "nothing moves")
    return b"".join(came)


@case("F03a", "replies that nobody reads cost little, and come when they are read")
def unread(mode):
    clients, commands = 10, 4000

    def deaf(connect):
        f = connect()
        f.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        f.sock.settimeout(0.5)
        try:
            f.sock.sendall(b"HELP\r\n" * commands * 5)
        except TimeoutError:
            pass
        return f

    with wharf.Daemon(mode, tls=True, conf="workers = 1\nmax_sessions_per_address = 100") as d, d.steady():
        for connect in (d.ftp, d.secure):
            # The first one touches what all have in common.
            crowd = [deaf(connect)]
            before = d.rss("wharfd-worker")
            crowd += [deaf(connect) for _ in range(clients)]
            if not wharf.is_sanitized():
                time.sleep(1)  # until all that will be made has been made
                each = (d.rss("wharfd-worker") - before) // clients
                check(each < 320 << 10, each, "bytes each,", connect.__name__)
            for f in crowd:
                f.close()
        for connect in (d.ftp, d.secure):
            with connect() as f:
                came = exchange(f.sock, b"HELP\r\n" * commands + b"QUIT\r\n")
                check(came.count(b"\r\n214 ") == commands, came.count(b"\r\n214 "), "of", commands)
                check(re.search(rb"\r\n221 [^\n]*\n$", came), came[-100:])


@case("B24", "a key that may not be read is told of once, and taken when it may", modes=("user",))
def unreadable(mode):
    with wharf.Daemon(mode, tls=True, expect=["was not taken"]) as d, d.steady():
        key = os.path.join(d.folder, "ec.key")
        os.chmod(key, 0)
        d.wait_log("was not taken.*tls_key.*Permission denied")
        time.sleep(5)  # it is looked at every second, and taken after one of rest
        check(len(re.findall("was not taken", d.log())) == 1, "it is told again and again")
        os.chmod(key, 0o600)
        d.wait_log("certificate is renewed")
        d.secure().close()


if __name__ == "__main__":
    main()
