# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Attacks on the addressing of data connections."""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main, until  # noqa: E402
from ftp import Ftp, host_port, read_all  # noqa: E402


def listen(address):
    s = socket.socket()
    s.bind((address, 0))
    s.listen(8)
    s.settimeout(0.3)
    return s


def untouched(sock):
    try:
        sock.accept()
    except TimeoutError:
        return True
    return False


@case("A01", "bounce to another host")
def bounce(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f, listen("127.0.0.2") as victim:
        address = victim.getsockname()
        for line in ("PORT " + host_port(address), "EPRT |1|127.0.0.2|%d|" % address[1]):
            check(f.cmd(line).code in (500, 501, 504), line)
            check(f.cmd("NLST").code == 425)
        check(untouched(victim), "the server connected")


@case("A02", "bounce to a service below 1024")
def low_ports(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        for line in ("PORT 127,0,0,1,0,22", "PORT 127,0,0,1,3,255", "EPRT |1|127.0.0.1|25|", "EPRT |1|127.0.0.1|1023|"):
            check(500 <= f.cmd(line).code <= 522, line)
            check(f.cmd("NLST").code == 425)
        f.expect("PORT 127,0,0,1,4,0", 200)


@case("A03", "forms of EPRT")
def eprt(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f, listen("127.0.0.1") as own:
        port = own.getsockname()[1]
        bad = ["|1|127.0.0.2|40001|", "|2|::ffff:127.0.0.2|40001|", "|2|::ffff:127.0.0.1|%d|" % port, "|2|::1|%d|" % port,
               "|3|x|1|", "|1|127.0.0.1|0|", "|1|127.0.0.1|65536|", "|1|127.0.0.1|-1|", "|1|127.0.0.1|1e3|",
               "|1|127.0.0.1|+%d|" % port, "|1|127.0.0.1| %d|" % port, "|1|127.0.0.1|%d" % port, "1|127.0.0.1|%d|" % port,
               "||1|127.0.0.1|%d|" % port, "|1|127.0.0.1|%d||" % port, "|1|127.0.0.1|%d|x" % port,
               "11111127.0.0.11%d1" % port, "|1|127.1|%d|" % port, "|1|0x7f000001|%d|" % port, "|1|2130706433|%d|" % port,
               "|1|localhost|%d|" % port, "|1|127.0.0.01|%d|" % port, "|1|%s|%d|" % ("1" * 3000, port), "|", "||", "|||||",
               "|1||%d|" % port, "||127.0.0.1|%d|" % port]
        for argument in bad:
            r = f.cmd("EPRT " + argument)
            check(r.code in (500, 501, 504, 522), argument, r)
            check(f.cmd("NLST").code == 425, argument)
        check(untouched(own), "the server connected")


@case("A04", "forms of PORT")
def port_forms(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for argument in ("127,0,0,1,200", "127,0,0,1,200,10,1", "256,0,0,1,200,10", "127,0,0,1,256,10", "127,0,0,1,200,256",
                         "127,0,0,1,-1,10", "+127,0,0,1,200,10", "127,0,0,1,200, 10", " 127,0,0,1,200,10",
                         "127,0,0,1,0x1,10", "127,0,0,1,,10", ",,,,,", "127,0,0,1,200,10x", "127,0,0,1,200,10,",
                         "127.0.0.1.200.10", "127,0,0,1,200,1000000000000", "127,0,0,001,200,00010"):
            r = f.cmd("PORT " + argument)
            # Zeros in front are read as decimal or refused, never as octal.
            check(r.code == 501 or (argument.endswith("00010") and r.code == 200), argument, r)


@case("A05", "no half-used listener after a bad PORT")
def stale(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        d.make("f", b"content")
        for bad in ("PORT 127,0,0,1,1", "EPRT |1|127.0.0.1|x|", "EPRT |9|a|1|"):
            address = f.pasv_address()
            check(f.cmd(bad).code >= 500)
            check(f.cmd("RETR f").code == 425, bad)
            try:
                socket.create_connection(address, 1).close()
                check(False, "the listener stands open")
            except ConnectionError:
                pass


@case("A06", "a thief on the passive port")
def thief(mode):
    with wharf.Daemon(mode, conf="data_timeout = 5s", expect=["stranger"]) as d, d.steady(), d.login() as f:
        d.make("sec", b"secret" * 1000)
        address = f.pasv_address()
        with socket.create_connection(address, 5, ("127.0.0.3", 0)) as other:
            time.sleep(0.2)
            with f.dial(address) as mine:
                f.expect("RETR sec", 150)
                check(read_all(mine) == b"secret" * 1000, "the victim did not get his file")
            f.reply()
            other.settimeout(20)
            try:
                stolen = other.recv(100)
            except ConnectionError:
                stolen = b""
            check(stolen == b"", stolen)
        # Over an upload, the thief would write.
        address = f.pasv_address()
        with socket.create_connection(address, 5, ("127.0.0.3", 0)) as other:
            other.sendall(b"evil")
            with f.dial(address) as mine:
                f.expect("STOR up", 150)
                mine.sendall(b"good")
            check(f.reply().code == 226)
        check(f.get("RETR up") == b"good")


@case("A07", "passive ports can't be foretold")
def predictable(mode):
    with wharf.Daemon(mode) as d:
        low, count = d.ports.first + 4, d.ports.last - d.ports.first - 3
        first, seen = set(), [0] * count
        for _ in range(20):
            with d.login() as f:
                for i in range(50):
                    port = f.pasv_address()[1]
                    check(low <= port <= d.ports.last, "a port outside the range:", port)
                    seen[port - low] += 1
                    if i == 0:
                        first.add(port)
        expected = 1000 / count
        chi = sum((n - expected) ** 2 / expected for n in seen)
        # 35 degrees of freedom: 66.6 is passed once in a thousand times by a fair choice.
        check(chi < 75, "not uniform: chi-square", chi, seen)
        check(len(first) >= 6, "the first ports of sessions are always the same", first)


@case("A08", "listeners don't leak")
def leak(mode):
    with wharf.Daemon(mode) as d, d.steady():
        low, high = d.ports.first + 4, d.ports.last
        f = d.login()
        for i in range(200):
            f.cmd("PASV" if i % 2 else "EPSV")
        check(d.listeners(low, high) <= 1, d.listeners(low, high))
        for _ in range(300):
            f.cmd("PASV")
            f.expect("ABOR", 225, 226)
        check(d.listeners(low, high) <= 1)
        f.cmd("PASV")
        f.close()
        until(lambda: d.listeners(low, high) == 0, what="no listener after the session")


@case("A09", "a range of ports that is spent")
def spent(mode):
    ports = wharf.Ports()
    low = ports.first + 4
    with wharf.Daemon(mode, conf='passive_ports = "%d-%d"\nmax_sessions = 12\nworkers = 1' % (low, low + 9),
                      expect=["passive"]) as d, d.steady():
        sessions = [d.login() for _ in range(11)]
        taken = {f.pasv_address()[1] for f in sessions[:10]}
        check(len(taken) == 10 and min(taken) >= low and max(taken) <= low + 9, taken)
        begin = time.monotonic()
        check(sessions[10].cmd("PASV").code in (425, 421))
        check(time.monotonic() - begin < 5)
        sessions[0].close()
        until(lambda: sessions[10].cmd("PASV").code == 227, what="a port is free again")
        for f in sessions:
            f.close()
    ports.release()


@case("A10", "EPSV ALL holds for the session")
def epsv_all(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        f.expect("EPSV ALL", 200)

        def refused():
            for line in ("PASV", "PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|51210|"):
                check(f.cmd(line).code >= 500, line)
        refused()
        f.cmd("ABOR")
        refused()
        with f.dial(f.epsv_address()):
            f.expect("RETR nothing", 550)
        refused()
        f.cmd("REIN")
        f.login(d.users[0].name, d.users[0].password)
        refused()
    with wharf.Daemon(mode) as d, d.login() as f:
        f.expect("PASV", 227)


@case("A11", "the data connection does not come")
def absent(mode):
    with wharf.Daemon(mode, conf="data_timeout = 1s") as d, d.login() as f:
        d.make("f", b"old content")
        for command in ("STOR f", "APPE f", "RETR f", "LIST"):
            f.expect("PASV", 227)
            begin = time.monotonic()
            check(f.cmd(command).code == 425, command)
            check(0.5 < time.monotonic() - begin < 20, command)
        with open(d.path("f"), "rb") as kept:
            check(kept.read() == b"old content", "the file was changed")


@case("A12", "an active connection that hangs")
def hanging(mode):
    with wharf.Daemon(mode, conf="data_timeout = 5s\nworkers = 1") as d, d.steady(), d.login() as f, d.login() as other:
        d.make("f", b"x")
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(8):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(full.getsockname())
            fillers.append(s)
        f.expect("PORT " + host_port(full.getsockname()), 200)
        f.raw(b"RETR f\r\n")
        worst, end = 0, time.monotonic() + 1.5
        while time.monotonic() < end:
            begin = time.monotonic()
            other.expect("NOOP", 200)
            worst = max(worst, time.monotonic() - begin)
        check(worst < 2.5, "others waited", worst)
        check(f.reply().code in (150, 425))
        for s in fillers + [full]:
            s.close()


@case("A13", "no line of the server begins with a client's bytes")
def nat(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        evil = b"227 (127,0,0,1,0,139)"
        for verb in (b"CWD ", b"MKD ", b"USER ", b"RETR ", b"DELE ", b"SIZE ", b"HELP ", b"SITE ", b"OPTS ", b"", b"LANG ",
                     b"TYPE ", b"RNFR ", b"CLNT ", b"STAT "):
            for pad in (b"", b"x" * 1380):
                for line in f.cmd(verb + pad + evil).lines:
                    check(not line.startswith(evil) and evil not in line[:30] or line[:4] in (b"257 ", b"250 "), line)
        f.expect(b"MKD " + evil, 257, 550)
        f.expect(b"CWD " + evil, 250)
        check(f.expect("PWD", 257).lines[0].startswith(b'257 "/227 '))
        for line in f.cmd(b"STAT /").lines[1:-1]:
            check(not line.startswith(b"22"), line)
        for line in f.expect(b"MLST", 250).lines[1:-1]:
            check(line.startswith(b" "), line)


@case("A14", "a data connection that stands still")
def stalled(mode):
    with wharf.Daemon(mode, blocks='user "alice" {\n\tstall_timeout = 2s\n}') as d, d.steady():
        d.make("f", b"")
        os.truncate(d.path("f"), 1 << 30)
        with d.login() as f:
            before = d.rss("wharfd-worker")
            sock, _ = f.open("RETR f")
            begin = time.monotonic()
            check(f.reply().code in (426, 421))
            check(1 < time.monotonic() - begin)
            check(wharf.is_sanitized() or d.rss("wharfd-worker") - before < 8 << 20, "memory grew")
            sock.close()
        with d.login() as f:
            sock, _ = f.open("STOR g")
            sock.sendall(b"begin")
            check(f.reply().code in (426, 421))
            sock.close()


@case("A15", "a second connection to the passive port")
def second(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        d.make("f", b"one" * 100000)
        d.make("g", b"two")
        address = f.pasv_address()
        with f.dial(address) as first:
            f.expect("RETR f", 150)
            try:
                late = f.dial(address)
                late.settimeout(20)
                check(late.recv(10) == b"", "the second connection was served")
            except ConnectionError:
                pass
            check(read_all(first) == b"one" * 100000)
            f.reply()
        check(f.cmd("RETR g").code == 425, "the listener serves twice")


if __name__ == "__main__":
    main()
