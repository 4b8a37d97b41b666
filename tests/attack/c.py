# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Attacks on the parsing and the order of commands."""

import os
import random
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from ftp import Closed, encode, read_all, reset  # noqa: E402

COMMANDS = os.path.join(wharf.SOURCE, "include/wharf/ftp/commands.def")


def rows():
    """(verb, needs) of every command."""
    with open(COMMANDS) as f:
        return re.findall(r"^COMMAND\((\w+), \w+, (\w+)", f.read(), re.M)


def in_step(f, least=0, most=1):
    """Replies before that of SYST: so many, and then the session is in step."""
    f.raw(b"SYST\r\n")
    for count in range(most + 1):
        r = f.reply()
        if r.code == 215:
            check(count >= least, "no reply")
            return
    check(False, "more than %d replies: %r" % (most, r))


@case("C01", "Telnet bytes")
def telnet(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for n in (1, 2, 3, 127, 128, 254, 255, 256, 257, 510, 511, 512, 513, 1022, 1023, 1024, 1025, 2047, 2048, 2049,
                  4094, 4095, 4096, 4097, 5000):
            for tail in (b"", b"\xf4", b"\xfa", b"A"):
                f.raw(b"\xff" * n + tail + b"\r\n")
                in_step(f)
        for line in (b"NO\xff\xf1OP", b"\xff\xf4\xff\xf2NOOP", b"\xff\xfaNOOP", b"\xff\xfb\x01NOOP", b"MKD a\xff\xffb",
                     b"NOOP\xff", b"\xff\xf4\xff\xf2ABOR"):
            f.raw(line + b"\r\n")
            in_step(f)
        check(all(n in ("ab", "a\udcffb") for n in os.listdir(d.path())), os.listdir(d.path()))


@case("C02", "a line of 10 MB")
def long_line(mode):
    with wharf.Daemon(mode) as d, d.steady():
        f = d.login()
        before = d.rss("wharfd-worker")
        try:
            for _ in range(160):
                f.raw(b"X" * 65536)
            f.raw(b"\r\n")
            r = f.reply()
            check(r.code in (500, 421), r)
            if r.code == 500:
                in_step(f, 0, 0)
        except (Closed, ConnectionError):
            pass
        check(wharf.is_sanitized() or d.rss("wharfd-worker") - before < 1 << 20, "memory grew")
        d.rests(0.1)


@case("C03", "the tail of a long line as a command")
def tail(mode):
    with wharf.Daemon(mode) as d, d.steady():
        lengths = [1, 2, 5, 100] + [b + i for b in (256, 512, 1024, 2048, 4096, 8192, 16384) for i in (-2, -1, 0, 1)]
        f = d.login()
        for n in lengths + [20000]:
            f.raw(b"Z" * n)
            time.sleep(0.02)
            f.raw(b"MKD pwn\r\n")
            in_step(f, 1, 1)
            check(not os.path.exists(d.path("pwn")), n)
            f.raw(b"Z" * n + b" ")
            time.sleep(0.01)
            f.raw(b"MKD pwn\r\n")
            in_step(f, 1, 1)
            check(not os.path.exists(d.path("pwn")), n)


@case("C04", "an overlong command makes no loop")
def busy(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        f.raw(b"NOOP " + b"x" * 100000)
        d.rests(0.1)
        f.raw(b"\r\n")
        check(f.reply().code == 500)
        in_step(f, 0, 0)


@case("C05", "quotes and backslashes that don't end")
def quotes(mode):
    with wharf.Daemon(mode) as d, d.steady():
        f = d.login()
        for verb, _ in rows():
            if verb in ("QUIT", "REIN", "USER", "PASS"):
                continue
            for argument in (b'"', b'"\\', b"\\", b'"a\\"', b'"' * 1000, b"a\\", b'"a" "', b'""', b'"a"b'):
                f.raw(verb.encode() + b" " + argument + b"\r\n")
                r = f.reply()
                check(r.code != 150, verb, argument, r)
        for sub in ("COPY", "SYMLINK", "UTIME", "CHMOD 644", "CHGRP x", "CPFR", "MKDIR"):
            for argument in (b'"', b'"a" "', b'"a', b'a "b', b'"" ""', b'"' * 999):
                f.cmd(b"SITE " + sub.encode() + b" " + argument)
        in_step(f, 0, 0)


@case("C06", "bytes that are no commands")
def odd(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for data, most in ((b"\n\n\n", 3), (b"\xe9\xe8\xff x\r\n", 1), (b"\x00\x01\r\n", 1), (b" \t \r\n", 1),
                           (b"\xff" * 600 + b"\r\n", 1), (b"\r\n\r\n", 2), (b"\r\r\n", 1), (b"\x80\r\n", 1), (b"\t\r\n", 1)):
            f.raw(data)
            in_step(f, 0, most)


@case("C07", "NUL in lines")
def nul(mode):
    with wharf.Daemon(mode) as d, d.steady():
        user = d.users[0]
        with d.ftp() as f:
            r = f.cmd(user.name.encode().join((b"USER ", b"\0x")))
            check(r.code in (500, 501), r)
            check(f.cmd("PASS " + user.password).code == 503)
        with d.login() as f:
            d.make("a", b"A")
            for line in (b"MKD a\0b", b"RETR a\0.jpg", b"DELE a\0", b"RNFR a\0", b"\0MKD b", b"MK\0D b", b"SIZE a\0"):
                r = f.cmd(line)
                check(r.code in (500, 501), line, r)
            check(os.listdir(d.path()) == ["a"], os.listdir(d.path()))


@case("C08", "CR and LF in arguments")
def cr(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for line in (b"MKD a\rb", b"MKD a\r", b"\rMKD a", b"STOR a\rb", b"RNFR a\rb", b"SITE MKDIR a\rb"):
            f.raw(line + b"\r\n")
            r = f.reply()
            check(r.code in (500, 501), line, r)
        in_step(f, 0, 0)
        check(os.listdir(d.path()) == [], os.listdir(d.path()))


@case("C09", "listings can't be forged")
def forged(mode):
    names = [b"a\r\n226 forged", b"b\nc", b"c\rd", b"211 End", b"\x1b[2J", b"e\x7f"]
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for name in names:
            d.make(name, b"x")
        for verb in (b"LIST", b"NLST", b"MLSD", b"LIST -a", b"NLST -a"):
            data = f.get(verb)
            lines = data.split(b"\r\n")
            check(lines[-1] == b"" and not any(b"\r" in x or b"\n" in x for x in lines), verb, data)
            if verb[:4] == b"LIST":
                check(not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", data), verb, data)
            check(b"\r\n226 forged" not in data, verb)
        r = f.cmd("STAT /")
        check(not any(re.search(rb"[\x00-\x1f\x7f]", line) for line in r.lines), r)
        check(not any(re.match(rb"\d\d\d ", line) for line in r.lines[:-1]), r)
        in_step(f, 0, 0)


@case("C10", "the log can't be forged")
def log(mode):
    with wharf.Daemon(mode) as d, d.steady():
        with d.ftp() as f:
            for line in (b"USER \x1b[31mred\x07", b"USER a\x7fb\xc2\x9bc", b"PASS x", b"RETR \x1b]0;x\x07", b"USER " + b"y" * 900,
                         b"CWD \xe2\x80\xa8x", b"CLNT \x1b[0m"):
                f.raw(line + b"\r\n")
                f.reply()
        with d.login() as f:
            f.put(b"ev\x1bil name=\"x\" user=root", b"data")
            f.cmd(b"RETR ev\x1bil")
        with open(d.log_path, "rb") as whole:
            for line in whole:
                check(re.match(rb"\d{4}-\d\d-\d\dT[\d:.]+Z (error|warning|info|debug) ", line), line)
                check(len(line) <= 4096 and not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", line), line)


@case("C11", "overlong UTF-8 is no slash and no dot")
def overlong(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        with open(os.path.join(d.folder, "secret"), "w") as out:
            out.write("OUTSIDE")
        for up in (b"\xc0\xae\xc0\xae\xc0\xaf", b"\xe0\x80\xae\xe0\x80\xae/", b"..%c0%af", b"%2e%2e/", b"..\\", b"..\xef\xbc\x8f"):
            for path in (up * 2 + b"secret", b"/" + up * 2 + b"secret"):
                r = f.cmd(b"SIZE " + path)
                check(r.code in (550, 501, 553), path, r)
        f.put(b"\xc0\xae\xc0\xae", b"just a name")
        check(f.get(b"RETR \xc0\xae\xc0\xae") == b"just a name")


@case("C12", "quotes in 257")
def quoting(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        check(b'"/q""t"' in f.expect('MKD q"t', 257))
        f.expect('CWD q"t', 250)
        check(b'"/q""t"' in f.expect("PWD", 257))
        check(b'"/q""t/"""' in f.expect('MKD "', 257))


@case("C13", "format strings")
def formats(mode):
    with wharf.Daemon(mode) as d, d.steady():
        evil = b"%n%s%p%x%99999999d%n"
        with d.ftp() as f:
            f.cmd(b"USER " + evil)
            f.cmd(b"PASS " + evil)
        with d.login() as f:
            for verb, _ in rows():
                if verb not in ("QUIT", "REIN", "USER", "PASS"):
                    r = f.cmd(verb.encode() + b" " + evil)
                    check(b"0x" not in r.lines[0] and len(r.lines[0]) < 2000, r)
            for sub in (b"CHMOD ", b"MKDIR ", b"", b"EXEC ", b"HELP "):
                f.cmd(b"SITE " + sub + evil)
        check("%n%s%p" in d.log())


@case("C14", "nothing before the login")
def early(mode):
    free = {"USER", "PASS", "FEAT", "OPTS", "HOST", "CLNT", "CSID", "NOOP", "QUIT", "HELP", "SYST", "ACCT", "REIN", "LANG",
            "AUTH", "PBSZ", "PROT"}
    with wharf.Daemon(mode) as d, d.steady(), d.ftp() as f:
        for verb, needs in rows():
            if verb in free:
                check(needs in ("ANYONE", "TLS", "PRIVACY"), verb)
                continue
            for argument in ("", " /etc/passwd", " 1"):
                r = f.cmd(verb + argument)
                check(r.code == 530, verb, argument, r)
        for verb in ("FEAT", "HELP", "OPTS UTF8 ON", "SYST", "NOOP"):
            check(200 <= f.cmd(verb).code < 300, verb)


@case("C15", "copies are reads and writes")
def copies(mode):
    users = [wharf.User("writer", "w", rights="write,list"), wharf.User("reader", "r", rights="read,list"),
             wharf.User("keeper", "k", rights="read,write,list")]
    with wharf.Daemon(mode, users=users) as d:
        for name in ("writer", "reader", "keeper"):
            d.make("one", b"1", user=name)
            d.make("two", b"22", user=name)
        for name in ("writer", "reader"):
            with d.login(name) as f:
                check(f.cmd("SITE COPY one three").code in (550, 553), name)
                if f.cmd("SITE CPFR one").code == 350:
                    check(f.cmd("SITE CPTO three").code in (550, 553), name)
                check(not os.path.exists(d.path("three", user=name)))
        with d.login("keeper") as f:
            f.expect("SITE COPY one three", 250, 200)
            check(f.cmd("SITE COPY one two").code in (550, 553))
            f.expect("SIZE two", 213)
            check(os.path.getsize(d.path("two", user="keeper")) == 2, "overwritten without the right")
            check(f.cmd("SITE COPY ../../reader/one four").code == 250 or not os.path.exists(d.path("four", user="keeper")))


@case("C16", "commands out of their order")
def order(mode):
    with wharf.Daemon(mode) as d:
        user = d.users[0]
        with d.ftp() as f:
            f.expect("PASS x", 503)
            f.expect("USER " + user.name, 331)
            f.cmd("HELP")
            check(f.cmd("PASS " + user.password).code in (503, 230))
        with d.login() as f:
            d.make("a", b"")
            f.expect("RNTO b", 503)
            f.expect("RNFR a", 350)
            f.expect("NOOP", 200)
            f.expect("RNTO b", 503)
            f.expect("SITE CPTO b", 503)
            f.expect("CWD /", 250)
            check(f.cmd("USER anonymous").code in (503, 530))
            f.expect("SIZE a", 213)
            check(os.listdir(d.path()) == ["a"])


@case("C17", "pipelines and segments")
def pipelined(mode):
    with wharf.Daemon(mode) as d, d.steady():
        user = d.users[0]
        with d.login() as f:
            f.raw(b"NOOP\r\n" * 300)
            for _ in range(300):
                check(f.reply().code == 200)
        script = encode("USER %s\r\nPASS %s\r\nPWD\r\nMKD a\r\nCWD a\r\nPWD\r\nCDUP\r\nRMD a\r\nNOOP x\r\nTYPE I\r\nBAD\r\n"
                        "SIZE nothing\r\nSYST\r\nREST 5\r\nMLST\r\nQUIT\r\n" % (user.name, user.password))

        def played(parts):
            with d.ftp() as f:
                for part in parts:
                    f.raw(part)
                return re.sub(rb"(?i)(modify|unique)=[^;]*", b"", f.buffer + read_all(f.sock))
        wanted = played(line + b"\r\n" for line in script.split(b"\r\n")[:-1])
        check(played([script]) == wanted, "one segment")
        check(played([script[i:i + 1] for i in range(len(script))]) == wanted, "a byte a segment")
        chance = random.Random(17)
        for _ in range(60):
            parts, at = [], 0
            while at < len(script):
                n = chance.randrange(1, 30)
                parts.append(script[at:at + n])
                at += n
            check(played(parts) == wanted, parts)


@case("C18", "commands while a transfer waits for its connection")
def waiting(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        d.make("good", b"the good file")
        d.make("evil", b"the evil file")
        address = f.pasv_address()
        f.raw(b"RETR good\r\nUSER /etc/passwd\r\nCWD /nowhere\r\nREST 4\r\nTYPE A\r\nRNFR evil\r\n")
        time.sleep(0.2)
        with f.dial(address) as data:
            check(f.reply().code == 150)
            check(read_all(data) == b"the good file")
        check(f.reply().code == 226)
        for codes in ((503, 530), (550,), (350,), (200,), (350,)):
            check(f.reply().code in codes, codes)


@case("C19", "transfers that are interrupted")
def interrupts(mode):
    rounds = 60 if wharf.is_sanitized() else 200
    chance = random.Random(19)
    # Each break is the client's own doing: the log may tell of it, not complain.
    with wharf.Daemon(mode) as d, d.steady():
        d.make("f", bytes(4 << 20))
        for i in range(300):
            d.make("many/%03d" % i, b"")
        f = d.login()
        for _ in range(rounds):
            command = chance.choice(("RETR f", "STOR g", "LIST many", "MLSD many", "APPE g", "NLST many"))
            end = chance.choice(("abor", "data", "control", "quit", "fin"))
            try:
                sock, r = f.open(command)
                check(sock is not None, command, r)
                if command[0] in "SA":
                    sock.sendall(bytes(chance.randrange(1, 300000)))
                else:
                    sock.recv(chance.randrange(1, 100000))
                if end == "abor":
                    f.raw(b"ABOR\r\n")
                    first = f.reply()
                    check(first.code in (426, 226, 451), first)
                    second = f.reply()
                    check(second.code in (226, 225), second)
                    sock.close()
                    in_step(f, 0, 0)
                elif end == "data":
                    reset(sock)
                    check(f.reply().code in (226, 426, 451), "after RST")
                    in_step(f, 0, 0)
                elif end == "fin":
                    sock.close()
                    check(f.reply().code in (226, 426, 451), "after FIN")
                    in_step(f, 0, 0)
                elif end == "control":
                    reset(f.sock)
                    sock.close()
                    f = d.login()
                else:
                    f.raw(b"QUIT\r\n")
                    sock.close()
                    f.closed()
                    f = d.login()
            except (Closed, ConnectionError) as e:
                check(False, command, end, repr(e))
        f.close()


@case("C20", "urgent data")
def urgent(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        d.make("f", bytes(8 << 20))
        for _ in range(100):
            f.raw(b"\xff\xf4\xff", socket.MSG_OOB)
            f.raw(b"\xf2ABOR\r\n")
            check(f.reply().code in (225, 226))
        for _ in range(20):
            sock, _ = f.open("RETR f")
            sock.recv(1000)
            f.raw(b"\xff\xf4\xff", socket.MSG_OOB)
            f.raw(b"\xf2ABOR\r\n")
            check(f.reply().code == 426)
            check(f.reply().code in (226, 225))
            sock.close()
        in_step(f, 0, 0)


@case("C21", "slow clients")
def slow(mode):
    with wharf.Daemon(mode, conf="login_timeout = 3s", blocks='user "alice" {\n\tidle_timeout = 10s\n}') as d:
        begin = time.monotonic()
        f = d.ftp()
        f.sock.settimeout(0.3)
        while time.monotonic() - begin < 30:
            f.raw(b"N")
            try:
                check(f.sock.recv(1000).startswith(b"421"))
                break
            except TimeoutError:
                pass
        check(2 < time.monotonic() - begin < 20, "not ended at login_timeout", time.monotonic() - begin)
        f.close()
        f = d.login()
        f.raw(b"MKD partial")
        f.sock.shutdown(socket.SHUT_WR)
        f.closed()
        check(not os.path.exists(d.path("partial")), "a line without an end was obeyed")
        f = d.login()
        begin = time.monotonic()
        f.sock.settimeout(60)
        check(f.reply().code == 421)
        check(9 < time.monotonic() - begin < 40, "idle_timeout", time.monotonic() - begin)


@case("C22", "half-closed connections")
def half(mode):
    with wharf.Daemon(mode) as d, d.steady():
        with d.login() as f:
            f.raw(b"NOOP\r\n" * 50 + b"PWD\r\n")
            f.sock.shutdown(socket.SHUT_WR)
            codes = [f.reply().code for _ in range(51)]
            check(codes == [200] * 50 + [257], codes)
            check(f.closed())


if __name__ == "__main__":
    main()
