# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Attacks on resources, processes and operation."""

import os
import random
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main, until  # noqa: E402
from ftp import Closed, Ftp, read_all  # noqa: E402


@case("F01", "silent connections from one address and from many")
def silent(mode):
    with wharf.Daemon(mode, conf="max_sessions = 200\nmax_sessions_per_address = 20\nlogin_timeout = 10s",
                      expect=["passive"]) as d, d.steady():
        crowd = []
        for i in range(60):
            crowd.append(socket.create_connection(("127.0.0.1", d.port), 5, ("127.0.0.50", 0)))
        for i in range(100):
            crowd.append(socket.create_connection(("127.0.0.1", d.port), 5, ("127.0.1.%d" % (i + 1), 0)))
        begin = time.monotonic()
        d.login().close()
        check(time.monotonic() - begin < 8, "a login waits")
        greeted = refused = 0
        for s in crowd[:60]:
            s.settimeout(5)
            try:
                text = s.recv(200)
            except (ConnectionError, TimeoutError):
                text = b""
            greeted += text.startswith(b"220")
            refused += not text.startswith(b"220")
        check(greeted <= 20 and refused >= 40, greeted, refused)
        for s in crowd[60:]:
            s.settimeout(30)
            check(b"421" in read_all(s, 300)[-200:], "not ended at login_timeout")
        for s in crowd:
            s.close()


@case("F01a", "more sessions than there may be")
def full(mode):
    with wharf.Daemon(mode, conf="max_sessions = 10\nmax_sessions_per_address = 100") as d:
        time.sleep(0.3)
        sessions = [d.login() for _ in range(10)]
        with Ftp(d.port, greet=False) as f:
            try:
                check(f.reply().code == 421)
            except (Closed, ConnectionError):
                pass
        sessions.pop().close()
        until(lambda: admitted(d), what="a place is free again")
        for f in sessions:
            f.close()


def admitted(d):
    try:
        with Ftp(d.port, greet=False) as f:
            return f.reply().code == 220
    except (Closed, ConnectionError):
        return False


@case("F01b", "more sessions of a user than there may be")
def user_sessions(mode):
    with wharf.Daemon(mode, blocks='user "alice" {\n\tmax_sessions_per_user = 2\n}') as d:
        sessions = [d.login() for _ in range(2)]
        with d.ftp() as f:
            f.cmd("USER alice")
            r = f.cmd("PASS " + d.users[0].password)
            check(r.code in (530, 421), r)
        sessions.pop().close()
        until(lambda: logs_in(d), what="a place is free again")
        for f in sessions:
            f.close()


def logs_in(d):
    try:
        d.login().close()
        return True
    except (AssertionError, Closed, ConnectionError):
        return False


@case("F02", "no descriptor is left")
def descriptors(mode):
    with wharf.Daemon(mode, nofile=160, conf="max_sessions = 20\nmax_sessions_per_address = 500\nworkers = 1",
                      expect=["descriptor", "passive", "cannot"]) as d, d.steady():
        crowd = []
        for _ in range(150):
            try:
                crowd.append(socket.create_connection(("127.0.0.1", d.port), 2))
            except OSError:
                break
        d.rests(0.3)
        for s in crowd:
            s.close()
        until(lambda: logs_in(d), what="logins work again")


@case("F03", "listings that nobody reads")
def unread(mode):
    with wharf.Daemon(mode, conf="max_sessions = 30\nworkers = 1") as d, d.steady():
        for i in range(3000):
            d.make("many/%s%04d" % ("n" * 200, i), b"")
        first = d.login()
        first.get("LIST many")
        before = d.rss()
        sessions = []
        for _ in range(20):
            f = d.login()
            f.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock, _ = f.open("LIST many")
            sessions.append((f, sock))
        time.sleep(0.5)
        check(wharf.is_sanitized() or d.rss() - before < 20 << 20, "memory grew by", d.rss() - before)
        first.expect("NOOP", 200)
        for f, sock in sessions:
            sock.close()
            f.close()


@case("F07", "storms of signals")
def signals(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        d.make("f", os.urandom(8 << 20))
        stop = threading.Event()

        def storm():
            while not stop.is_set():
                os.kill(d.pid, random.choice((signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)))
                time.sleep(0.002)
        thread = threading.Thread(target=storm)
        thread.start()
        try:
            for _ in range(20):
                with open(d.path("f"), "rb") as here:
                    check(f.get("RETR f") == here.read())
        finally:
            stop.set()
            thread.join()


@case("F09", "SIGTERM during transfers")
def terminated(mode):
    d = wharf.Daemon(mode)
    with d:
        d.make("f", bytes(32 << 20))
        sessions = []
        for _ in range(5):
            f = d.login()
            sock, _ = f.open("RETR f")
            sock.recv(1000)
            sessions.append((f, sock))
        d.login()
    # Leaving the block sent SIGTERM, and it ended in time with status 0 and no process left.
    for f, sock in sessions:
        sock.close()
        f.close()


@case("F13", "a log that nobody reads")
def log(mode):
    unread, sink = os.pipe()
    with wharf.Daemon(mode, sink=sink) as d:
        for _ in range(100):
            with d.login() as f:
                for i in range(10):
                    f.cmd("SIZE " + "n" * 200)
                f.put("x", b"y" * 1000)
                check(f.get("RETR x") == b"y" * 1000)
    os.set_blocking(unread, False)
    check(len(os.read(unread, 1 << 20)) > 60000, "the log did not fill its pipe")
    os.close(unread)
    os.close(sink)


@case("F14", "segments of a byte")
def segments(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        d.make("f", bytes(range(256)) * 100)
        sock, _ = f.open("STOR g")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(500):
            sock.sendall(bytes([i & 255]))
        sock.close()
        check(f.reply().code == 226)
        check(f.get("RETR g") == bytes(i & 255 for i in range(500)))


@case("F15", "the doors of others' past")
def backdoors(mode):
    with wharf.Daemon(mode) as d, d.ftp() as f:
        with socket.socket() as s:
            open_before = s.connect_ex(("127.0.0.1", 6200)) == 0
        f.cmd("USER x:)")
        f.cmd("PASS x")
        with socket.socket() as s:
            check(open_before or s.connect_ex(("127.0.0.1", 6200)) != 0, "port 6200 opened")
        check(f.cmd("HELP ACIDBITCHEZ").code in (502, 501, 504))


@case("F16", "the banner tells no version")
def banner(mode):
    with wharf.Daemon(mode) as d, d.ftp() as f:
        for r in (f.greeting, f.cmd("SYST"), f.cmd("HELP"), f.cmd("FEAT")):
            check(b"0.1" not in b"".join(r.lines) and b"wharfd/" not in b"".join(r.lines), r)


if __name__ == "__main__":
    main()
