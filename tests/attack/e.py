# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Attacks on paths and files."""

import os
import random
import re
import socket
import stat
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from ftp import read_all  # noqa: E402

MARK = b"THIS IS OUTSIDE OF THE JAIL"


def outside(d):
    """A file beside the jail, and one above, that no client may see or change."""
    paths = [os.path.join(d.folder, "outside"), os.path.join(d.folder, "home", "outside")]
    for path in paths:
        with open(path, "wb") as f:
            f.write(MARK)
        os.chmod(path, 0o666)
    os.makedirs(os.path.join(d.folder, "home", "other"), exist_ok=True)
    os.chmod(os.path.join(d.folder, "home", "other"), 0o777)
    return paths


def unharmed(d, paths):
    for path in paths:
        with open(path, "rb") as f:
            check(f.read() == MARK, "changed:", path)
        check(stat.S_IMODE(os.stat(path).st_mode) == 0o666, "mode changed:", path)
    check(os.listdir(os.path.join(d.folder, "home", "other")) == [], "something was made outside")


@case("E01", "spellings of the way out")
def traversal(mode):
    rounds = 300 if wharf.is_sanitized() else 1500
    chance = random.Random(1)
    parts = ["..", ".", "...", "", "dir", "up", "far", "loop", "home", "outside", "alice", "%2e%2e", "..\\", "\\..", "~", "other",
             "..;", ". .", "x" * 255, ".. ", "*"]
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        paths = outside(d)
        d.make("dir/inside", b"in")
        links = {"up": "..", "far": "../../../../../..", "loop": "loop", "abs": d.folder, "dir/up": "../..",
                 "file": paths[0], "rel": "../outside", "proc": "/proc/self/root" + d.folder, "cwd": "/proc/self/cwd/.."}
        for name, target in links.items():
            os.symlink(target, d.path(name))
        fixed = ["../outside", "/../outside", "../../outside", "abs/outside", "file", "rel", "up/outside", "far" + paths[0],
                 "proc/outside", "cwd/outside", "dir/up/outside", "..//outside", "/..//../outside", "dir/../../outside",
                 paths[0], "/../" + paths[0], "up/../outside", "abs/home/outside"]
        for i in range(rounds):
            path = fixed[i] if i < len(fixed) else \
                chance.choice(("", "/")) + "/".join(chance.choice(parts) for _ in range(chance.randrange(1, 7)))
            path = path.encode()
            for verb in (b"SIZE ", b"MDTM ", b"MLST ", b"CWD ", b"STAT ", b"HASH "):
                r = f.cmd(verb + path)
                check(not any(MARK in line for line in r.lines), path)
                if verb == b"SIZE ":
                    check(not (r.code == 213 and int(r.text) == len(MARK)), verb, path, r)
                if verb == b"CWD ":
                    for name in ("wharfd.conf", "users"):
                        check(f.cmd("SIZE " + name).code != 213, "outside after CWD", path)
                    f.expect("CWD /", 250)
            if i < 60:
                for verb in (b"RETR ", b"LIST ", b"MLSD ", b"NLST "):
                    sock, r = f.open(verb + path)
                    if sock:
                        data = read_all(sock)
                        sock.close()
                        f.reply()
                        check(MARK not in data and b"wharfd.conf" not in data, verb, path, data[:200])
                for line in (b"DELE ", b"SITE CHMOD 755 ", b"MFMT 20000101000000 ", b"RMD ", b"SITE MKDIR other/"):
                    if path.strip(b"/") not in (b"up", b"far", b"loop", b"abs", b"file", b"rel", b"proc", b"cwd"):
                        f.cmd(line + path)
                f.write(b"STOR " + path, b"overwritten")
                f.write(b"STOR " + path + b"/../other/made", b"made")
                if f.cmd(b"RNFR " + path).code == 350:
                    f.cmd("RNTO renamed")
                for name, target in links.items():
                    if not os.path.islink(d.path(name)) and os.path.isdir(os.path.dirname(d.path(name))) and \
                            not os.path.lexists(d.path(name)):
                        os.symlink(target, d.path(name))
                unharmed(d, paths)
        unharmed(d, paths)


@case("E03", "a jail that looks like a system")
def poisoned(mode):
    with wharf.Daemon(mode) as d, d.steady():
        for name in ("etc/nsswitch.conf", "etc/passwd", "etc/group", "etc/localtime", "etc/ld.so.preload", "etc/ld.so.cache",
                     "etc/shells", "lib/x86_64-linux-gnu/libnss_files.so.2", "lib64/ld-linux-x86-64.so.2",
                     "usr/lib/x86_64-linux-gnu/gconv/gconv-modules", "usr/lib/locale/locale-archive",
                     "lib/x86_64-linux-gnu/libgcc_s.so.1"):
            d.make(name, b"poison")
        for _ in range(3):
            with d.login() as f:
                check(b"poison" not in f.get("LIST"))
                f.get("MLSD etc")
                f.put("new", b"x")
                f.expect("MFMT 20200101000000 new", 213)
                f.expect("SITE CHGRP nosuchgroup new", 550, 501, 504)
                check(f.get("RETR etc/passwd") == b"poison")


@case("E04", "what an agent holds open", modes=("root",))
def descriptors(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        f.put("x", b"y")
        for pid in d.processes("wharfd-agent"):
            for fd in os.listdir("/proc/%d/fd" % pid):
                try:
                    target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                except OSError:
                    continue
                inside = target.startswith(d.path()) or target.startswith(("socket:", "/dev/null", "pipe:", "anon_inode:"))
                check(inside or target == d.log_path, "the agent holds", target)
        with open("/proc/net/tcp") as f2:
            tcp = {line.split()[9] for line in f2.readlines()[1:]}
        for role in ("wharfd-agent", "wharfd-auth"):
            for pid in d.processes(role):
                for fd in os.listdir("/proc/%d/fd" % pid):
                    target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                    check(target[8:-1] not in tcp, role, "holds a TCP socket")
        for pid in d.processes("wharfd-worker"):
            for fd in os.listdir("/proc/%d/fd" % pid):
                target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                # The journal's spool is all that it may write to, besides the log and what it is handed.
                may = ("/dev/null", d.log_path, os.path.join(d.state, "spool"))
                check(not target.startswith("/") or target in may, "the worker holds", target)
                if target == may[2]:
                    with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
                        flags = int(re.search(r"flags:\s*(\d+)", info.read()).group(1), 8)
                    check(flags & os.O_ACCMODE == os.O_WRONLY and flags & os.O_APPEND, "the spool's flags", oct(flags))


@case("E05", "/proc and /sys are not served")
def procfs(mode):
    with wharf.Daemon(mode, users=[wharf.User("wide", "pw", root="/")], expect=["root"]) as d, d.login() as f:
        for path in ("/proc/version", "/proc/self/environ", "/sys/kernel/uevent_seqnum"):
            with f.passive():
                check(f.cmd("RETR " + path).code in (550, 553), path)


@case("E06", "FIFOs, sockets and devices")
def special(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        os.mkfifo(d.path("fifo"))
        os.chmod(d.path("fifo"), 0o666)
        s = socket.socket(socket.AF_UNIX)
        s.bind(d.path("sock"))
        names = ["fifo", "sock"]
        if os.geteuid() == 0:
            os.mknod(d.path("null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.chmod(d.path("null"), 0o666)
            names.append("null")
        for name in names:
            for verb in ("RETR", "STOR", "APPE", "SIZE", "HASH", "MDTM"):
                begin = time.monotonic()
                if verb in ("RETR", "STOR", "APPE"):
                    with f.passive():
                        r = f.cmd("%s %s" % (verb, name))
                else:
                    r = f.cmd("%s %s" % (verb, name))
                check(r.code in (550, 553) or verb == "MDTM", verb, name, r)
                check(time.monotonic() - begin < 10, verb, name)
        f.get("LIST")
        f.get("MLSD")
        s.close()


@case("E07", "deep folders")
def deep(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for _ in range(400):
            f.expect("MKD d", 257)
            f.expect("CWD d", 250)
        check(len(f.expect("PWD", 257).text) >= 800)
        f.expect("CWD /", 250)
        used = d.cpu()
        f.read("LIST -R")
        check(d.cpu() - used < (8 if wharf.is_sanitized() else 2), "LIST -R", d.cpu() - used)
        r = f.cmd("SITE RMDIR d")
        check(r.code in (200, 250, 550), r)
        f.expect("NOOP", 200)
        os.system("rm -rf '%s'" % d.path("d"))


@case("E08", "patterns that take for ever")
def globs(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for i in range(50):
            d.make("a" * 200 + "%d" % i, b"")
        for pattern in ("{{*}," * 60, "*a" * 40 + "b", "{a,b}" * 24, "*/../" * 50, "~{", "[[[[", "[" * 200, "?" * 200, "*" * 240,
                        "[a-z" * 40, "\\" * 99, "*a*" * 60 + "x", "x" * 4000):
            for verb in ("NLST ", "LIST ", "STAT "):
                used = d.cpu()
                if verb == "STAT ":
                    f.cmd(verb + pattern)
                else:
                    sock, r = f.open(verb + pattern)
                    if sock:
                        read_all(sock)
                        sock.close()
                        f.reply()
                took = d.cpu() - used
                check(took < (2 if wharf.is_sanitized() else 0.5), verb, pattern[:30], took)


@case("E09", "entries that strain a listing")
def entries(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        os.symlink("t" * 4095, d.path("long-link"))
        for i in range(1, 256):
            if i not in (47,):
                d.make(bytes([i]) + b"x", b"")
        for name, when in (("old", -(1 << 31)), ("ancient", -(1 << 33)), ("future", 1 << 33)):
            d.make(name, b"")
            try:
                os.utime(d.path(name), (when, when))
            except OverflowError:
                pass
        d.make("huge", b"")
        os.truncate(d.path("huge"), (1 << 43) - 1)
        if os.geteuid() == 0:
            d.make("owned", b"")
            os.chown(d.path("owned"), (1 << 32) - 2, (1 << 32) - 2)
        for command in (b"LIST", b"LIST -a", b"NLST", b"MLSD", b"LIST -laRtSBC", b"NLST -la"):
            data = f.get(command)
            check(data.endswith(b"\r\n") and data.count(b"\r\n") >= 250, command, data.count(b"\r\n"))
        for line in f.get("MLSD").split(b"\r\n")[:-1]:
            check(b"; " in line, line)
        check(f.expect("SIZE huge", 213).text == b"%d" % ((1 << 43) - 1))
        for command in (b"MLSD -" + b"." * 4104, b"LIST -" + b"a" * 3000, b"NLST -" + b"R" * 500):
            sock, r = f.open(command)
            if sock:
                read_all(sock)
                sock.close()
                f.reply()


@case("E10", "SIZE reads no file")
def size(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        d.make("big", b"")
        os.truncate(d.path("big"), 10 << 30)
        f.cmd("TYPE A")
        used = d.cpu()
        f.cmd("SIZE big")
        check(d.cpu() - used < 0.5)


@case("E11", "times")
def times(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        d.make("f", b"")
        before = os.stat(d.path("f")).st_mtime
        for value in ("99999999999999", "20260230000000", "20261301000000", "20260100000000", "-0010101000000", "2026010100",
                      "202601010000", "20260101240000", "20260101006000", "20260101000099", "2026010100000x", "", "x",
                      "20260101000000." + "9" * 9000, "20260101000000.", "+20260101000000", "0x260101000000"):
            for line in ("MFMT %s f" % value, "MFF Modify=%s; f" % value):
                r = f.cmd(line)
                check(r.code in (500, 501, 504, 550), line[:60], r)
        check(os.stat(d.path("f")).st_mtime == before)
        for value in ("19691231235959", "19000101000000", "21070101000000", "99991231235959"):
            r = f.cmd("MFMT %s f" % value)
            check(r.code in (213, 501, 550), value, r)
            if r.code == 213:
                check(value.encode() in f.expect("MDTM f", 213).text or r.code, value)


@case("E12", "offsets that overflow")
def offsets(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        d.make("f", b"0123456789")
        for value in ("9223372036854775808", "18446744073709551615", "18446744073709551616", "-1", "1x", "0x10", "1e3", "+5",
                      "1" + "0" * 23, "1 2", ""):
            r = f.cmd("REST " + value)
            check(r.code == 501, value, r)
            r = f.cmd("RANG 0 " + value)
            check(r.code in (501, 350), value, r)
            f.cmd("RANG 1 0")
        f.cmd("REST 9223372036854775807")
        check(f.write("STOR f", b"x").code in (554, 551, 552, 501))
        with open(d.path("f"), "rb") as kept:
            check(kept.read() == b"0123456789")


@case("E13", "offsets past the end")
def past(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        d.make("f", b"0123456789")
        for verb in ("RETR", "STOR"):
            with f.passive():
                f.expect("REST 11", 350)
                check(f.cmd(verb + " f").code in (554, 551), verb)
        check(os.path.getsize(d.path("f")) == 10, "a hole")


@case("E14", "an offset is used once")
def once(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        d.make("f", b"0123456789")
        check(f.get("RETR f", rest=5) == b"56789")
        check(f.get("RETR f") == b"0123456789")


@case("E15", "ALLO, STOU and APPE")
def unique(mode):
    with wharf.Daemon(mode) as d, d.steady():
        names, lock = [], threading.Lock()

        def one():
            with d.login() as f:
                for _ in range(5):
                    sock, r = f.open("STOU")
                    check(r.lines[0].startswith(b"150 FILE: "), r)
                    sock.sendall(b"data")
                    sock.close()
                    check(f.reply().code == 226)
                    with lock:
                        names.append(r.lines[0][10:])
        threads = [threading.Thread(target=one) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(len(names) == 40 and len(set(names)) == 40, len(set(names)))
        with d.login() as f:
            for argument in ("18446744073709551615", "-1", "5 R 10", "9" * 30):
                check(f.cmd("ALLO " + argument).code in (200, 202, 501, 552), argument)
            f.put("a", b"0123")
            f.expect("REST 2", 350)
            r = f.write("APPE a", b"45")
            check(r.code in (226, 501, 503, 504), r)
            check(f.get("RETR a") in (b"012345", b"0123", b"0145"))


@case("E16", "renames")
def renames(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        d.make("dir/sub/file", b"x")
        d.make("file", b"y")
        os.symlink("nowhere", d.path("dangling"))

        def rename(a, b):
            r = f.cmd("RNFR " + a)
            return f.cmd("RNTO " + b).code if r.code == 350 else r.code
        check(rename("dir", "dir/sub/dir") in (550, 553))
        check(rename("file", "dir") in (550, 553))
        check(rename("/", "other") in (550, 553))
        check(rename("file", "/") in (550, 553))
        check(rename(".", "x") in (550, 553, 501))
        check(rename("dangling", "moved") == 250)
        check(os.readlink(d.path("moved")) == "nowhere")
        if mode == "root" and os.path.isdir("/dev/shm"):
            os.mkdir(d.path("mount"))
            if os.system("mount -t tmpfs -o mode=1777 tmpfs '%s'" % d.path("mount")) == 0:
                try:
                    with d.login() as g:
                        g.expect("RNFR file", 350)
                        check(g.cmd("RNTO mount/file").code in (550, 553), "a rename across file systems")
                finally:
                    os.system("umount -l '%s'" % d.path("mount"))


@case("E17", "deletions")
def deletions(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        d.make("target", b"stays")
        os.mkdir(d.path("folder"))
        os.symlink("target", d.path("link"))
        os.symlink("folder", d.path("dirlink"))
        for line in ("DELE folder", "RMD target", "RMD /", "RMD .", "RMD ..", "RMD link", "DELE /", "DELE ."):
            check(f.cmd(line).code in (550, 501, 553), line)
        f.expect("DELE link", 250)
        check(os.path.exists(d.path("target")) and not os.path.lexists(d.path("link")))
        d.make("full/keep", b"")
        os.symlink("../full", d.path("folder/out"))
        f.cmd("SITE RMDIR folder")
        check(os.path.exists(d.path("full/keep")), "SITE RMDIR went through a link")


@case("E21", "a file that shrinks while it is sent")
def shrinks(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        d.make("f", bytes(64 << 20))
        sock, _ = f.open("RETR f")
        sock.recv(1000)
        os.truncate(d.path("f"), 1000)
        n = 0
        try:
            while n < 64 << 20:
                part = sock.recv(1 << 20)
                if not part:
                    break
                n += len(part)
        except ConnectionError:
            pass
        sock.close()
        r = f.reply()
        check(n < (64 << 20) - 1000, n)
        check(r.code in (426, 451), r)


@case("E25", "TYPE A at every edge")
def ascii(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for size in (1, 4095, 4096, 65535, 65536, 65537, 262143, 262144, 262145):
            for text in (b"\n" * size, b"\r" * size, b"x" * (size - 1) + b"\r\n", b"x" * (size - 1) + b"\r", b"\r\n" * (size // 2),
                         b"ab\r\n\rc\n" * (size // 7)):
                f.cmd("TYPE I")
                f.put("t", text)
                f.cmd("TYPE A")
                # Each LF gets a CR before it, but for one that has it already: CRLF texts stay what they are.
                check(f.get("RETR t") == re.sub(rb"(?<!\r)\n", b"\r\n", text), "RETR", size)
                f.put("u", text)
                f.cmd("TYPE I")
                check(f.get("RETR u") == text.replace(b"\r\n", b"\n"), "STOR", size)
        for edge in range(1, 60):
            f.cmd("TYPE A")
            sock, _ = f.open("STOR v")
            data = b"a\r\nb\rc\nd\r\r\n" * 5
            sock.sendall(data[:edge])
            time.sleep(0.005)
            sock.sendall(data[edge:])
            sock.close()
            f.reply()
            with open(d.path("v"), "rb") as stored:
                check(stored.read() == data.replace(b"\r\n", b"\n"), edge)


@case("E27", "MLSD of a file, MLST of nothing")
def mlsx(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        d.make("f", b"")
        with f.passive():
            check(f.cmd("MLSD f").code in (501, 550))
        check(f.cmd("MLST nothing").code == 550)
        with f.passive():
            check(f.cmd("MLSD nothing").code in (501, 550))


if __name__ == "__main__":
    main()
