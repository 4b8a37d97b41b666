# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Attacks on authentication and identity."""

import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import Skip, case, check, main, until  # noqa: E402
from ftp import Closed, encode  # noqa: E402


@case("D01", "guesses are limited, a session and an address")
def guesses(mode):
    with wharf.Daemon(mode, conf="login_tries = 3\nlogin_penalty = 3s") as d:
        user = d.users[0]
        with d.ftp(source="127.0.0.7") as f:
            for i in range(3):
                f.expect("USER " + user.name, 331)
                r = f.cmd("PASS wrong%d" % i)
                check(r.code == (530 if i < 2 else 421) or (i == 2 and r.code == 530), r)
            check(f.closed(), "still open after three failures")
        with d.ftp(source="127.0.0.7", greet=False) as f:
            try:
                check(f.reply().code == 421, "no penalty")
            except (Closed, ConnectionError):
                pass
        d.login().close()
        time.sleep(3.2)
        with d.ftp(source="127.0.0.7") as f:
            f.login(user.name, user.password)


@case("D02", "no failure tells whether a user exists")
def enumeration(mode):
    users = [wharf.User("alice", "right"), wharf.User("old", "right", more=["--expires", "2020-01-01"])]
    with wharf.Daemon(mode, users=users, conf="login_delay = 1s\nlogin_tries = 9\nlogin_timeout = 1m") as d, d.steady():
        tries = {"wrong password": ("alice", "wrong"), "no user": ("nobody-here", "wrong"), "expired": ("old", "right"),
                 "empty": ("alice", ""), "long": ("alice", "x" * 500), "root": ("root", "wrong")}
        times = {kind: [] for kind in tries}
        texts = {kind: set() for kind in tries}

        def attempt(kind):
            with d.ftp() as f:
                texts[kind].add(f.cmd("USER " + tries[kind][0]).lines[0])
                begin = time.monotonic()
                texts[kind].add(f.cmd("PASS " + tries[kind][1]).lines[0])
                times[kind].append(time.monotonic() - begin)
        # A machine that is busy delays any of them now and then; what differs always is the daemon's.
        for _ in range(10):
            for kind in tries:
                attempt(kind)
            least = {kind: min(t) for kind, t in times.items()}
            alike = max(least.values()) - min(least.values()) < 0.05
            if alike and len(times["long"]) >= 3:
                break
        check(len(set(map(frozenset, texts.values()))) == 1, texts)
        # The daemon's clock counts milliseconds.
        check(min(least.values()) >= 0.99 and alike, least)


@case("D03", "very long passwords")
def long_password(mode):
    with wharf.Daemon(mode) as d, d.steady():
        with d.ftp() as f:
            f.expect("USER alice", 331)
            used = d.cpu()
            try:
                f.raw(b"PASS " + b"x" * (1 << 20) + b"\r\n")
                r = f.reply()
                check(r.code in (500, 501, 530, 421), r)
            except (Closed, ConnectionError):
                pass
            check(d.cpu() - used < 2, "it costs", d.cpu() - used)


@case("D05", "the daemon's own groups don't leak", modes=("root",))
def groups(mode):
    with wharf.Daemon(mode, prefix=["setpriv", "--groups", "0,4,27"]) as d, d.login() as f:
        with open(d.path("roots"), "w") as out:
            out.write("for root's group")
        os.chmod(d.path("roots"), 0o640)
        for pid in d.processes("wharfd-agent"):
            status = wharf.status_of(pid)
            extra = set(status["Groups"].split()) - {str(d.users[0].uid)}
            check(not extra, status["Groups"])
            check(set(status["Gid"].split()) == {str(d.users[0].uid)}, status["Gid"])
        for pid in d.processes("wharfd-worker"):
            check(not set(wharf.status_of(pid)["Groups"].split()) & {"0", "4", "27"})
        with f.passive():
            f.expect("RETR roots", 550)


@case("D06", "a change of identity that fails", modes=("root",))
def unchecked(mode):
    if wharf.is_sanitized():
        raise Skip("a sanitizer and strace can't both trace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("nothing can be traced here")
    for call in ("setresuid", "setresgid", "setgroups", "chroot", "capset", "seccomp", "landlock_restrict_self"):
        d = wharf.Daemon(mode, expect=["."], prefix=["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                         "inject=%s:error=EAGAIN" % call])
        try:
            try:
                d.start()
                with d.ftp(timeout=8) as f:
                    f.cmd("USER alice")
                    check(f.cmd("PASS " + d.users[0].password).code != 230, "served though %s failed" % call)
            except (RuntimeError, OSError, Closed):
                pass  # it did not even start
        finally:
            d.kill()
            d.remove()


@case("D07", "a home that can't be entered is no reason for another")
def homes(mode):
    with wharf.Daemon(mode, users=[], expect=["agent", "root"]) as d:
        base = os.path.join(d.folder, "home")
        os.mkdir(os.path.join(base, "closed"))
        os.chmod(os.path.join(base, "closed"), 0)
        open(os.path.join(base, "file"), "w").close()
        os.symlink("/nowhere", os.path.join(base, "dangling"))
        os.symlink("/etc", os.path.join(base, "link"))
        for name in ("closed", "missing", "file", "dangling", "link"):
            user = wharf.User(name, "pw", root=os.path.join(base, name), uid=wharf.FIRST_UID + 5)
            if mode == "user":
                user.uid = d.owner[0]
            d.users.append(user)
            d.add_user(user)
        until(lambda: "the users file" in d.log() or True)
        time.sleep(3)
        for user in d.users:
            with d.ftp() as f:
                f.cmd("USER " + user.name)
                r = f.cmd("PASS pw")
                check(r.code in (530, 421, 451, 550), user.name, r)
        os.chmod(os.path.join(base, "closed"), 0o755)


@case("D08", "a link among the parents of a root folder")
def parents(mode):
    with wharf.Daemon(mode, users=[], expect=["agent", "root"]) as d:
        base = os.path.join(d.folder, "home")
        os.makedirs(os.path.join(base, "real", "inner"))
        os.symlink("real", os.path.join(base, "via"))
        user = wharf.User("linked", "pw", root=os.path.join(base, "via", "inner"),
                          uid=d.owner[0] if mode == "user" else wharf.FIRST_UID)
        d.users.append(user)
        d.add_user(user)
        time.sleep(3)
        with d.ftp() as f:
            f.cmd("USER linked")
            check(f.cmd("PASS pw").code != 230, "a link was followed on the way to the jail")


@case("D09", "uids that may not log in", modes=("root",))
def uids(mode):
    users = [wharf.User("good", "pw"), wharf.User("low", "pw", uid=50)]
    with wharf.Daemon(mode, users=users, conf="minimum_uid = 1000", expect=["uid"]) as d:
        with d.ftp() as f:
            answers = []
            for name in ("low", "nobody-here"):
                f.cmd("USER " + name)
                answers.append(f.cmd("PASS pw").lines)
            check(answers[0][0].startswith(b"530") and answers[0] == answers[1], answers)
        d.login("good").close()


@case("D11", "passwords don't stay", modes=("root",))
def secrets(mode):
    if wharf.is_sanitized():
        raise Skip("freed memory is kept by the sanitizer")
    word = "correct-horse-battery-staple-42"
    with wharf.Daemon(mode, users=[wharf.User("alice", word)], conf="workers = 1") as d, d.login() as f:
        f.expect("PWD", 257)
        with d.ftp() as g:
            g.cmd("USER alice")
            g.cmd("PASS %s!" % word)
            for pid in d.processes():
                check(encode(word) not in wharf.memory(pid), "the password is in the memory of", wharf.comm(pid))
                with open("/proc/%d/limits" % pid) as limits:
                    check(re.search(r"Max core file size +0 +0 ", limits.read()), "core files of", wharf.comm(pid))
                with open("/proc/%d/cmdline" % pid, "rb") as line:
                    check(encode(word) not in line.read())
        check(word not in d.log())


@case("D12", "names that are paths, options or formats")
def names(mode):
    with wharf.Daemon(mode, conf="login_tries = 100") as d, d.steady(), d.ftp() as f:
        for name in ("../../etc/passwd", "a/b", "-x", "--help", "%n", "a@b", "two words", ".", "..", "alice:x", "alice\t", "*",
                     "a" * 1000, "alice/", "ALICE", "$USER", "'", "root\u202e"):
            r = f.cmd("USER " + name)
            check(r.code in (331, 500, 501), name, r)
            if r.code == 331:
                check(f.cmd("PASS " + d.users[0].password).code == 530, name)


@case("D14", "odd hashes in the users file")
def hashes(mode):
    with wharf.Daemon(mode, expect=["users file"], conf="login_tries = 100") as d, d.steady():
        with open(d.users_path) as f:
            good = next(line for line in f if line.startswith("alice:"))
        fields = good.rstrip("\n").split(":")
        odd = {"empty": "", "one": "x", "star": "*", "bang": "!", "dollar": "$", "cut": "$y$", "cutter": "$y$j9T$",
               "unknown": "$99$salt$hash", "des": "ab01FAX.bQRSU", "long": "$y$" + "x" * 4000}
        text = good
        for name, value in odd.items():
            text += ":".join([name, value] + fields[2:]) + "\n"
        with open(d.users_path, "w") as f:
            f.write(text)
        time.sleep(3)
        with d.ftp() as f:
            for name in odd:
                for password in ("", "x", "y" * 500):
                    f.cmd("USER " + name)
                    check(f.cmd("PASS " + password).code in (530, 501), name)
        threads = [threading.Thread(target=lambda: d.login().close()) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


if __name__ == "__main__":
    main()
