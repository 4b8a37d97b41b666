# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Ways out of the jail, tried in both modes: by links, by moving folders away, and by swapping links and folders as
fast as a second process can while a client works."""

import ctypes
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from ftp import Closed, read_all  # noqa: E402

MARK = b"OUTSIDE OF THE JAIL"


def beside(d):
    """A folder beside the jail that holds a marked file; anybody may write there, so only the jail is in the way."""
    folder = os.path.join(d.folder, "beside")
    os.makedirs(os.path.join(folder, "sub"))
    for name in ("secret", "sub/secret"):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(MARK)
        os.chmod(os.path.join(folder, name), 0o666)
    for path in (folder, os.path.join(folder, "sub")):
        os.chmod(path, 0o777)
    return folder


def intact(folder):
    found = sorted(os.path.relpath(os.path.join(p, n), folder) for p, ds, fs in os.walk(folder) for n in ds + fs)
    check(found == ["secret", "sub", "sub/secret"], "made or removed outside:", found)
    for name in ("secret", "sub/secret"):
        with open(os.path.join(folder, name), "rb") as f:
            check(f.read() == MARK, "written outside:", name)
        info = os.stat(os.path.join(folder, name))
        check(info.st_mode & 0o777 == 0o666 and info.st_mtime > 1e9, "changed outside:", name)


VERBS = ("RETR", "STOR", "APPE", "SIZE", "MDTM", "MLST", "HASH", "LIST", "MLSD", "NLST", "CWD", "DELE", "MKD", "RMD",
         "SITE CHMOD 600", "MFMT 19990101000000", "SITE RMDIR", "STAT")


def attempt(f, verb, path):
    """One command on a path; what data it brought."""
    command = verb.encode() + b" " + path.encode()
    if verb in ("STOR", "APPE"):
        f.write(command, b"WRITTEN")
        return b""
    if verb in ("RETR", "LIST", "MLSD", "NLST"):
        sock, r = f.open(command)
        if sock is None:
            return b""
        with sock:
            try:
                data, whole = read_all(sock), True
            except ConnectionResetError:
                # Another client cut the file meanwhile: what is sent is not whole, and is told so.
                data, whole = b"", False
        r = f.reply()
        check(whole or r.code == 451, command, r)
        return data
    r = f.cmd(command)
    if verb == "CWD":
        f.cmd("CWD /")
    return b"\n".join(r.lines) if verb == "STAT" else b""


@case("J01", "links that lead out")
def links(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        folder = beside(d)
        os.mkdir(d.path("in"))
        targets = {"absolute": folder, "relative": "../../beside", "root": "/", "up": "..", "chain": "in/next",
                   "proc": "/proc/self/root" + folder, "fd": "/proc/self/fd/3/../beside", "cwd": "/proc/self/cwd"}
        for name, target in targets.items():
            os.symlink(target, d.path(name))
        os.symlink("../absolute", d.path("in/next"))
        os.symlink(folder + "/secret", d.path("file"))
        for name in list(targets) + ["in/next"]:
            for rest in ("", "/secret", "/sub/secret", "/new", "/../beside/secret"):
                for verb in VERBS:
                    if not rest and verb in ("DELE", "RMD"):
                        continue
                    data = attempt(f, verb, name + rest)
                    names = b"".join(line for line in data.splitlines() if b" -> " not in line).replace((name + rest).encode(), b"")
                    check(MARK not in data and b"secret" not in names, verb, name + rest, data)
        for verb in VERBS:
            check(MARK not in attempt(f, verb, "file"), verb)
        intact(folder)


@case("J02", "links that the client makes")
def made(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        folder = beside(d)
        for number, target in enumerate((folder, "../../beside", "/", "..", "/proc/self/root", folder + "/secret")):
            r = f.cmd("SITE SYMLINK %s link%d" % (target, number))
            for rest in ("", "/secret", folder + "/secret", "/beside/secret"):
                for verb in ("RETR", "STOR", "LIST", "MLSD", "CWD"):
                    check(MARK not in attempt(f, verb, "link%d%s" % (number, rest)), r, rest)
        intact(folder)


@case("J03", "a folder that is moved out from under a session")
def moved(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        folder = beside(d)
        os.makedirs(d.path("a/b/c"))
        for path in ("a", "a/b", "a/b/c"):
            if os.geteuid() == 0:
                os.chown(d.path(path), d.users[0].uid, d.users[0].uid)
        f.expect("CWD a/b/c", 250)
        os.rename(d.path("a/b"), os.path.join(d.folder, "carried"))
        try:
            for path in ("../../../beside/secret", "../../beside/secret", "../secret", "../beside/secret"):
                for verb in ("RETR", "STOR", "SIZE", "LIST"):
                    check(MARK not in attempt(f, verb, path), verb, path)
            intact(folder)
        finally:
            os.rename(os.path.join(d.folder, "carried"), d.path("a/b"))


RENAME_EXCHANGE = 2


@case("J04", "links and folders swapped as fast as can be")
def race(mode):
    """A folder and a link out of the jail change places, thousands of times a second, while a client walks through it."""
    seconds = 8
    with wharf.Daemon(mode) as d, d.steady():
        folder = beside(d)
        os.mkdir(d.path("dir"))
        d.make("dir/secret", b"inside")
        d.make("dir/sub/secret", b"inside")
        os.symlink(folder, d.path("link"))
        if os.geteuid() == 0:
            os.chown(d.path("dir"), d.users[0].uid, d.users[0].uid)
        libc = ctypes.CDLL(None, use_errno=True)
        here = os.open(d.path(), os.O_PATH)
        end, swaps, tries = time.monotonic() + seconds, [0], [0]
        failures = []

        def swap():
            while time.monotonic() < end:
                for _ in range(100):
                    libc.renameat2(here, b"dir", here, b"link", RENAME_EXCHANGE)
                swaps[0] += 100

        def client(seed):
            chance = random.Random(seed)
            f = d.login()
            try:
                while time.monotonic() < end:
                    verb = chance.choice(("RETR", "STOR", "APPE", "SIZE", "MKD", "RMD", "DELE", "SITE CHMOD 600", "LIST",
                                          "MFMT 19990101000000", "MLSD", "SITE MKDIR", "RNTO"))
                    path = chance.choice(("dir", "link")) + chance.choice(("/secret", "/sub/secret", "/new", "/sub/new", "/sub"))
                    tries[0] += 1
                    if verb == "RNTO":
                        f.write(b"STOR tmp%d" % seed, b"WRITTEN")
                        f.cmd("RNFR tmp%d" % seed)
                        f.cmd("RNTO " + path)
                    elif MARK in attempt(f, verb, path):
                        failures.append((verb, path))
            except (AssertionError, Closed, OSError) as e:
                failures.append(repr(e))
            f.close()
        threads = [threading.Thread(target=swap)] + [threading.Thread(target=client, args=(i,)) for i in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        os.close(here)
        check(not failures, failures[:5])
        print("%d swaps, %d commands" % (swaps[0], tries[0]))
        check(tries[0] > 100 and swaps[0] > 10000, "too slow to prove anything", tries, swaps)
        intact(folder)


@case("J05", "hard links and mounts of others stay what they are")
def hard(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        # A hard link that the administrator made is a file of the jail: that is what he meant.
        d.make("one", b"1")
        os.link(d.path("one"), d.path("two"))
        check(f.get("RETR two") == b"1")
        f.expect("DELE two", 250)
        check(f.get("RETR one") == b"1")


@case("J06", "the log says which protections are in force")
def said(mode):
    with wharf.Daemon(mode) as d, d.login():
        log = d.log()
        for word in ("seccomp", "landlock", "no_new_privs"):
            check(word in log.lower(), word, "is not in the log")
        if mode == "root":
            check("chroot" in log.lower())


@case("J07", "Landlock is on the agent in both modes")
def landlock(mode):
    with wharf.Daemon(mode) as d, d.login():
        for role in ("wharfd-agent", "wharfd-worker"):
            pids = d.processes(role)
            check(pids, "no", role)
            for pid in pids:
                status = wharf.status_of(pid)
                check(status["Seccomp"] == "2", role, "has no seccomp filter")
                check(status["NoNewPrivs"] == "1", role)


if __name__ == "__main__":
    main()
