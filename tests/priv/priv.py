# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""What only root can show: identities, jails, capabilities and filters of each role, PAM, and roles that are killed."""

import grp
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import Skip, case, check, main, until  # noqa: E402
from ftp import Closed, read_all  # noqa: E402

PAM_FILE = "/etc/pam.d/wharfd-test-%d" % os.getpid()
PAM_UNIX = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n"
NO_CAPS = "0000000000000000"
# SETUID SETGID SYS_CHROOT KILL SETPCAP NET_BIND_SERVICE, at most.
MONITOR_CAPS = 1 << 7 | 1 << 6 | 1 << 18 | 1 << 5 | 1 << 8 | 1 << 10


class SystemUser:
    """A throw-away user of the system, with a password, a home and an extra group."""

    def __init__(self, name="wharftest", password="Kelp+42 forest", shell="/bin/sh", service=PAM_UNIX):
        self.name, self.password, self.shell, self.service = name, password, shell, service

    def __enter__(self):
        self.remove()
        subprocess.run(["useradd", "-m", "-s", self.shell, "-G", "games", "-K", "UID_MIN=23500", "-K", "UID_MAX=23999",
                        self.name], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["chpasswd"], input="%s:%s\n" % (self.name, self.password), text=True, check=True)
        self.entry = pwd.getpwnam(self.name)
        os.chmod(self.entry.pw_dir, 0o700)
        with open(PAM_FILE, "w") as f:
            f.write(self.service)
        return self

    def remove(self):
        subprocess.run(["userdel", "-r", "-f", self.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __exit__(self, *_):
        self.remove()
        if os.path.exists(PAM_FILE):
            os.unlink(PAM_FILE)


def pam_daemon(conf="", **how):
    return wharf.Daemon("root", users=[wharf.User()], defaults=True, **how,
                        conf='pam_service = "%s"\n%s' % (os.path.basename(PAM_FILE), conf))


def with_pam(d):
    with open(d.conf_path) as f:
        text = f.read()
    d.write_conf(text.replace("sources = {users, anonymous}", "sources = {users, pam}"))
    return d


@case("P01", "roles: uids, root folders, capabilities, filters, scheduling", modes=("root",))
def roles(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        f.put("x", b"1")
        worker = pwd.getpwnam(wharf.RUN_AS)
        found = set()
        for pid in d.processes():
            role, status = wharf.comm(pid), wharf.status_of(pid)
            found.add(role)
            check(status["NoNewPrivs"] == "1", role, "may gain privileges")
            check(status["Seccomp"] == "2", role, "has no filter")
            check(os.sched_getscheduler(pid) == (os.SCHED_BATCH if role == "wharfd" else os.SCHED_OTHER), role)
            check(status["CapInh"] == NO_CAPS and status["CapAmb"] == NO_CAPS, role)
            root = os.readlink("/proc/%d/root" % pid)
            if role == "wharfd":
                check(int(status["CapPrm"], 16) & ~MONITOR_CAPS == 0, "the monitor holds", status["CapPrm"])
                continue
            check(status["CapPrm"] == NO_CAPS and status["CapEff"] == NO_CAPS and status["CapBnd"] == NO_CAPS, role, status)
            if role == "wharfd-worker":
                check(status["Uid"].split() == [str(worker.pw_uid)] * 4, status["Uid"])
                check(status["Gid"].split() == [str(worker.pw_gid)] * 4, status["Gid"])
                check(root == d.folder + "/empty" and os.listdir(root) == [], root)
            elif role == "wharfd-agent":
                uid = str(d.users[0].uid)
                check(status["Uid"].split() == [uid] * 4 and status["Gid"].split() == [uid] * 4, status)
                check(set(status["Groups"].split()) <= {uid}, status["Groups"])
                check(root == d.path(), root)
            elif role == "wharfd-auth":
                check("0" not in status["Uid"].split(), "auth of the users file is root")
        check(found >= {"wharfd", "wharfd-worker", "wharfd-auth", "wharfd-agent"}, found)
        info = os.stat(d.path("x"))
        check(info.st_uid == d.users[0].uid and info.st_gid == d.users[0].uid, info)


@case("P02", "PAM with pam_unix: uid, groups, home, and its agent's jail", modes=("root",))
def pam(mode):
    with SystemUser() as user, with_pam(pam_daemon()) as d:
        with d.ftp() as f:
            f.login(user.name, user.password)
            f.put("upload", b"by PAM")
            agents = [p for p in d.processes("wharfd-agent") if wharf.status_of(p)["Uid"].split()[0] == str(user.entry.pw_uid)]
            check(len(agents) == 1, agents)
            status = wharf.status_of(agents[0])
            wanted = set(map(str, os.getgrouplist(user.name, user.entry.pw_gid)))
            check(set(status["Groups"].split()) | {str(user.entry.pw_gid)} == wanted, status["Groups"], wanted)
            check(str(grp.getgrnam("games").gr_gid) in status["Groups"].split())
            check(status["CapEff"] == NO_CAPS and status["Seccomp"] == "2" and status["NoNewPrivs"] == "1")
            check(os.readlink("/proc/%d/root" % agents[0]) == user.entry.pw_dir)
            # Longer than an agent has to leave that is not wanted any more.
            time.sleep(2.5)
            f.put("upload", b"by PAM, later")
            info = os.stat(os.path.join(user.entry.pw_dir, "upload"))
            check((info.st_uid, info.st_gid) == (user.entry.pw_uid, user.entry.pw_gid))
        until(lambda: not any(wharf.alive(p) for p in agents), 8, "the agent ends with its session")
        with d.ftp() as f:
            f.expect("USER " + user.name, 331)
            f.expect("PASS wrong", 530)
        d.login().close()  # the users file serves beside it


@case("P03", "PAM: who is refused, with one answer", modes=("root",))
def refused(mode):
    with SystemUser(shell="/usr/sbin/nologin") as user, with_pam(pam_daemon("login_tries = 20")) as d, d.ftp() as f:
        answers = set()
        for name, password in ((user.name, user.password), (user.name, "wrong"), ("root", ""), ("nosuchuser", "x"), ("daemon", "x")):
            check(f.cmd("USER " + name).code == 331)
            r = f.cmd("PASS " + password)
            answers.add(bytes(r.lines[0]))
        check(len(answers) == 1 and all(a.startswith(b"530") for a in answers), answers)
        # Locked, and with an empty password.
        subprocess.run(["usermod", "-s", "/bin/sh", user.name], check=True)
        subprocess.run(["usermod", "-L", user.name], check=True)
        f.cmd("USER " + user.name)
        check(f.cmd("PASS " + user.password).code == 530, "a locked user came in")
        subprocess.run(["passwd", "-q", "-d", user.name], check=True)
        f.cmd("USER " + user.name)
        check(f.cmd("PASS ").code in (530, 501), "an empty password")


@case("P04", "a killed agent ends its sessions and nobody else's", modes=("root",))
def agent_killed(mode):
    users = [wharf.User("alice", "a"), wharf.User("bob", "b")]
    with wharf.Daemon(mode, users=users, expect=["agent"]) as d:
        alice, bob = d.login("alice"), d.login("bob")
        bob.put("f", b"x" * 1000)
        uid = str(d.users[0].uid)
        for pid in d.processes("wharfd-agent"):
            if wharf.status_of(pid)["Uid"].split()[0] == uid:
                os.kill(pid, signal.SIGKILL)
        check(ended(alice), "a session goes on without its agent")
        check(bob.get("RETR f") == b"x" * 1000)
        with d.login("alice") as again:
            again.put("g", b"1")
        bob.close()


def ended(f):
    """A session whose process was killed is told 421 or 451 at most, and ends or answers errors alone."""
    try:
        r = f.cmd("SIZE x")
        return r.code in (421, 426, 451) or (f.closed(3))
    except (Closed, ConnectionError):
        return True


@case("P05", "a killed worker is replaced; the other's sessions live on", modes=("root",))
def worker_killed(mode):
    with wharf.Daemon(mode, conf="workers = 2", expect=["worker"]) as d:
        sessions = [d.login() for _ in range(6)]
        victims = d.processes("wharfd-worker")
        check(len(victims) == 2, victims)
        os.kill(victims[0], signal.SIGKILL)
        until(lambda: len(d.processes("wharfd-worker")) == 2 and victims[0] not in d.processes("wharfd-worker"),
              what="a new worker")
        alive = 0
        for f in sessions:
            try:
                alive += f.cmd("NOOP").code == 200
            except (Closed, ConnectionError):
                pass
        check(0 < alive < 6, "%d of 6 sessions live on" % alive)
        for _ in range(4):
            d.login().close()
        for f in sessions:
            f.close()


@case("P06", "a killed auth process is replaced", modes=("root",))
def auth_killed(mode):
    with wharf.Daemon(mode, expect=["auth"]) as d, d.login() as f:
        for pid in d.processes("wharfd-auth"):
            os.kill(pid, signal.SIGKILL)
        f.expect("NOOP", 200)
        until(lambda: logs_in(d), what="logins work again")


def logs_in(d):
    try:
        d.login().close()
        return True
    except (AssertionError, Closed, OSError):
        return False


@case("P07", "nothing outlives the monitor", modes=("root",))
def monitor_killed(mode):
    d = wharf.Daemon(mode, conf="workers = 2")
    d.start()
    f = d.login()
    d.make("f", bytes(8 << 20))
    f.open("RETR f")
    everyone = d.processes()
    check(len(everyone) >= 5, everyone)
    d.process.kill()
    d.process.wait()
    try:
        until(lambda: not any(wharf.alive(p) for p in everyone), what="all have ended")
    finally:
        for pid in everyone:
            if wharf.alive(pid):
                os.kill(pid, signal.SIGKILL)
        d.remove()


@case("P08", "a PAM session's agent ends with the monitor too", modes=("root",))
def pam_killed(mode):
    with SystemUser() as user:
        d = with_pam(pam_daemon())
        d.start()
        f = d.ftp()
        f.login(user.name, user.password)
        everyone = d.processes()
        d.process.kill()
        d.process.wait()
        try:
            until(lambda: not any(wharf.alive(p) for p in everyone), what="all have ended")
        finally:
            for pid in everyone:
                if wharf.alive(pid):
                    os.kill(pid, signal.SIGKILL)
            d.remove()


@case("P09", "a stopped agent stalls its own sessions alone", modes=("root",))
def stopped(mode):
    users = [wharf.User("alice", "a"), wharf.User("bob", "b")]
    with wharf.Daemon(mode, users=users, conf="workers = 1\nagent_timeout = 5s", expect=["agent"]) as d:
        alice, bob = d.login("alice"), d.login("bob")
        uid = str(d.users[0].uid)
        pids = [p for p in d.processes("wharfd-agent") if wharf.status_of(p)["Uid"].split()[0] == uid]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            alice.raw(b"SIZE x\r\n")
            worst = 0
            begin = time.monotonic()
            while time.monotonic() - begin < 2:
                one = time.monotonic()
                bob.put("f", b"1")
                bob.get("LIST")
                worst = max(worst, time.monotonic() - one)
            check(worst < 2.5, "another session waited", worst)
            r = alice.reply()
            check(r.code in (451, 421) and time.monotonic() - begin < 15, r)
        finally:
            for pid in pids:
                if wharf.alive(pid):
                    os.kill(pid, signal.SIGCONT)
        alice.close()
        bob.close()


@case("P10", "a stopped auth process does not stop the sessions", modes=("root",))
def auth_stopped(mode):
    with wharf.Daemon(mode, conf="workers = 1", expect=["auth"]) as d, d.login() as f:
        pids = d.processes("wharfd-auth")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        g = d.ftp()
        g.cmd("USER " + d.users[0].name)
        g.raw(b"PASS x\r\n")
        time.sleep(0.2)
        f.put("f", b"1")
        check(f.get("RETR f") == b"1")
        for pid in pids:
            if wharf.alive(pid):
                os.kill(pid, signal.SIGCONT)
        g.close()


@case("P11", "users of the users file: rights, expiry, changes while it runs")
def users_file(mode):
    users = [wharf.User("alice", "first"), wharf.User("reader", "r", rights="read,list"),
             wharf.User("old", "o", more=["--expires", "2020-01-01"])]
    with wharf.Daemon(mode, users=users) as d:
        with d.ftp() as f:
            f.cmd("USER old")
            check(f.cmd("PASS o").code == 530, "an expired user came in")
        with d.login("reader") as f:
            check(f.write("STOR x", b"1").code in (550, 553))
        done = d.ctl("user", "passwd", "--file", d.users_path, "alice", input="second\n")
        check(done.returncode == 0, done.stdout)
        until(lambda: accepts(d, "alice", "second"), what="the new password")
        check(not accepts(d, "alice", "first"), "the old password still works")
        done = d.ctl("user", "del", "--file", d.users_path, "alice")
        check(done.returncode == 0, done.stdout)
        until(lambda: not accepts(d, "alice", "second"), what="the user is gone")
        check(os.stat(d.users_path).st_mode & 0o777 == 0o600)
        listed = d.ctl("user", "list", "--file", d.users_path)
        check("reader" in listed.stdout and "alice" not in listed.stdout, listed.stdout)


def accepts(d, name, password):
    with d.ftp() as f:
        f.cmd("USER " + name)
        return f.cmd("PASS " + password).code == 230


@case("P12", "SIGTERM ends it cleanly; SIGHUP opens the log files again")
def signals(mode):
    with wharf.Daemon(mode) as d:
        pass
    d = wharf.Daemon(mode)
    logs = log_to_files(d)
    with d:
        with d.login() as f:
            f.put("before", b"1")
        until(lambda: "before" in open(logs + "/wharfd.log").read(), what="the log file")
        until(lambda: "before" in open(logs + "/xferlog").read(), what="the xferlog")
        os.rename(logs + "/wharfd.log", logs + "/wharfd.log.1")
        os.rename(logs + "/xferlog", logs + "/xferlog.1")
        d.hangup()
        until(lambda: os.path.exists(logs + "/wharfd.log") and os.path.exists(logs + "/xferlog"), what="new log files")
        time.sleep(0.3)
        with d.login() as f:
            f.put("after", b"1")
        until(lambda: "after" in open(logs + "/wharfd.log").read(), what="the new log file")
        until(lambda: "after" in open(logs + "/xferlog").read(), what="the new xferlog")
        check("after" not in open(logs + "/xferlog.1").read())
        line = open(logs + "/xferlog").read().strip().splitlines()[-1]
        check(re.search(r" 1 /after b _ i r alice ftp 0 \* c fin crc32:[0-9a-f]{8}$", line), line)


@case("P13", "a bad configuration is exit 78, with every mistake told")
def bad(mode):
    d = wharf.Daemon(mode)
    try:
        with open(d.conf_path) as f:
            good = f.read()
        d.write_conf("max_sesions = 5\nidle_timeout = soon\nworkers = 99999\nno_such_thing = 1\n" + good)
        tested = d.check_conf()
        check(tested.returncode == 78, tested.returncode, tested.stdout)
        for line, word in ((1, "max_sesions"), (2, "soon"), (3, "99999"), (4, "no_such_thing")):
            check(re.search(r"wharfd\.conf:%d: .*%s" % (line, word), tested.stdout), word, tested.stdout)
        check("max_sessions" in tested.stdout, "no suggestion: " + tested.stdout)
        d.start(wait=False)
        check(d.process.wait(10) == 78, d.process.returncode)
        check("max_sesions" in d.log(), d.log())
        d.write_conf(good)
        tested = d.check_conf()
        check(tested.returncode == 0, tested.stdout)
        d.write_conf(good.replace(d.anonymous_root, "/nowhere/at/all"))
        tested = d.check_conf()
        check(tested.returncode == 78 and "/nowhere/at/all" in tested.stdout, tested.stdout)
        # The world beside a mistake in the file, and what only -t tries: ports, and the folders of users.
        os.rename(d.users[0].root, d.users[0].root + ".away")
        with socket.create_server(("127.0.0.1", d.port)):
            d.write_conf("umsk = 1\n" + good.replace(d.anonymous_root, "/nowhere/at/all"))
            tested = d.check_conf()
            for wanted in ("conf:1: .umsk", "/nowhere/at/all", "users:1: root of alice: .*/home/alice: No such file",
                           r'listener .main.: 127\.0\.0\.1:%d: Address already in use' % d.port):
                check(re.search(wanted, tested.stdout), wanted, tested.stdout)
        if mode == "user":
            d.write_conf(good.replace("port = %d" % d.port, "port = 21"))
            tested = d.check_conf()
            check("Permission denied; ports below 1024 are for root" in tested.stdout, tested.stdout)
    finally:
        d.remove()


@case("P14", "the JSON log is JSON, and holds what a log must")
def json_log(mode):
    import json
    with wharf.Daemon(mode, conf="log_format = json") as d:
        with d.login() as f:
            f.put("up load", b"12345")
            f.get("RETR up load")
        time.sleep(0.3)
        events = [json.loads(line) for line in d.log().splitlines()]
        check(all({"time", "level", "process", "event"} <= set(e) for e in events))
        text = d.log()
        check("wonder land" not in text, "the password is in the log")
        moved = [e for e in events if e.get("path") == "/up load"]
        check(len(moved) >= 2, "transfers in the log:", moved)
        check(all(e.get("bytes") == 5 and "session" in e for e in moved), moved)


def log_to_files(d):
    """Lets the daemon write its logs to a folder of their own, which is returned."""
    logs = os.path.join(d.folder, "logs")
    os.mkdir(logs)
    if os.geteuid() == 0:
        os.chown(logs, *d.owner)
    with open(d.conf_path) as f:
        text = f.read()
    d.write_conf('log = "%s/wharfd.log"\nxferlog = "%s/xferlog"\n' % (logs, logs) + text)
    return logs


def holders(d, path):
    """The processes of the daemon, by role, that have this file open."""
    found = set()
    for pid in d.processes():
        for fd in os.listdir("/proc/%d/fd" % pid):
            try:
                if os.readlink("/proc/%d/fd/%s" % (pid, fd)) == path:
                    found.add(wharf.comm(pid))
            except FileNotFoundError:
                pass
    return found


@case("P15", "after SIGHUP no process holds the old log files", modes=("root", "user"))
def reopened(mode):
    if os.geteuid() != 0:
        raise Skip("only root may look at the descriptors of the roles")
    with SystemUser() as user:
        d = with_pam(pam_daemon()) if mode == "root" else wharf.Daemon(mode)
        logs = log_to_files(d)
        with d, d.login() as f, d.ftp() as g:
            if mode == "root":
                g.login(user.name, user.password)
            roles = {wharf.comm(p) for p in d.processes()}
            check(roles == {"wharfd", "wharfd-worker", "wharfd-auth", "wharfd-agent", "wharfd-ledger"}, roles)
            check(holders(d, logs + "/wharfd.log") == roles, holders(d, logs + "/wharfd.log"))
            for name in ("wharfd.log", "xferlog"):
                os.rename(logs + "/" + name, logs + "/" + name + ".1")
            d.hangup()
            until(lambda: holders(d, logs + "/wharfd.log") == roles, what="all log to the new file")
            for name in ("wharfd.log.1", "xferlog.1"):
                until(lambda: not holders(d, logs + "/" + name), what=name + " is closed by all")
            f.put("after", b"1")


def texts(reply):
    return [line.decode().split("-", 1)[-1].split(" ", 1)[-1] if line[:3].isdigit() else line.decode().strip() for line in reply.lines]


@case("P16", "PAM: what modules say in each phase reaches the client; every session that opens closes", modes=("root",))
def phases(mode):
    notes = "/run/wharfd-test-%d" % os.getpid()
    with open(notes + ".sh", "w") as f:
        os.fchmod(f.fileno(), 0o755)
        f.write('#!/bin/sh\necho "$PAM_TYPE" >>%s\n' % notes)
    for phase in ("auth", "account", "session"):
        with open("%s.%s" % (notes, phase), "w") as f:
            f.write("says %s\n" % phase)
    service = "".join("%s required pam_echo.so file=%s.%s\n%s required pam_unix.so\n" % (phase, notes, phase, phase)
                      for phase in ("auth", "account", "session")) + "session required pam_exec.so quiet %s.sh\n" % notes
    try:
        with SystemUser(service=service) as user, with_pam(pam_daemon("max_sessions_per_user = 1")) as d:
            with d.ftp() as f, d.ftp() as g:
                f.expect("USER " + user.name, 331)
                greeting = texts(f.expect("PASS " + user.password, 230))
                for phase in ("auth", "account", "session"):
                    check(any("says " + phase in line for line in greeting), phase, greeting)
                # Right, but once too often: it opened, and must close.
                g.cmd("USER " + user.name)
                check(g.cmd("PASS " + user.password).code != 230, "two sessions")
                until(lambda: open(notes).read() == "open_session\nopen_session\nclose_session\n", what="the second is closed")
            until(lambda: open(notes).read().count("close_session") == 2, what="both are closed")
            with open(PAM_FILE, "a") as f:
                f.write("session required pam_deny.so\n")
            with d.ftp() as f:
                f.cmd("USER " + user.name)
                wrong = f.cmd("PASS wrong")
                f.cmd("USER " + user.name)
                denied = f.cmd("PASS " + user.password)
                check(denied.code == 530 and denied.lines[-1] == wrong.lines[-1], denied, wrong)
            check("Out of resources" not in d.log() and "cannot be opened" not in d.log())
    finally:
        for suffix in ("", ".sh", ".auth", ".account", ".session"):
            if os.path.exists(notes + suffix):
                os.unlink(notes + suffix)


if __name__ == "__main__":
    main()
