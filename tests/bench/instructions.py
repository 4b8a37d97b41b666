#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""What one login, one download and one upload of 4 KiB, and one listing cost in instructions, role by role, against the
baseline in instructions.txt.  More than 3 % above it fails; more than 3 % below it is told: it is worth a new baseline.

	instructions.py             compares
	instructions.py --update    writes the baseline anew
	instructions.py --prove     shows by made-up profiles and figures that the comparison bites

callgrind counts in a real daemon, started as an ordinary user with one worker and `sandbox = none`.  It counts the
whole life of a process, so a life with some of each operation is taken from one with more of one of them: the start and
the end cancel out.  A client that goes in step leaves little to chance, and what chance there is (an event more in a turn
of a loop, a timer) only adds: the least of several lives counts, and more lives are taken only while something is above
the limit.  The ledger works in batches, by the clock, so it stands still until all its records are there.

Not counted is what is no work of wharfd's: the password hash (and it is a cheap one), and the look into the machine's
/etc/group; and listings hide owners, whose names are the machine's too.

Counts of one build vary by less than 1 %, on a busy machine too.  They do not depend on its speed, and little on its
processor, since valgrind shows one of its own; but on the compiler and on libraries.  Those of the baseline are noted in
it, and where this machine has others they are named beside a failure, which stays a failure: a guard that makes way for
an update of the system guards nothing from then on.  The answer to that is --update, in a commit that changes nothing
else.

The profiles stay in the build's folder `instructions`, for callgrind_annotate."""

import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import wharf  # noqa: E402

BASELINE = os.path.join(HERE, "instructions.txt")
PROFILES = os.path.join(wharf.BUILD, "instructions")
# The order of names, and whether a file may have to be waited for, are the file system's: a tmpfs, where there is one.
FILES = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else wharf.PLACE
LIMIT = 0.03
CHANCE = 100            # instructions, which are more than 3 % of what is little
LEAST = 1000            # what costs a role less is no work of its own
SOME, MORE = 5, 60      # of each operation in every life, and of one operation in a life of its own
ROUNDS, MOST = 2, 5     # of lives
SECONDS = 40            # after which no further round begins
SIZE, NAMES = 4096, 100

ROLES = ("wharfd", "wharfd-worker", "wharfd-auth", "wharfd-agent", "wharfd-ledger")
PACKAGES = ("libc6", "libuv1", "libssl3", "libsqlite3-0", "libcrypt1", "valgrind")
# Who looks after itself every second, and so does more in a life that takes longer: counted only where it has work to do.
TICKING = {"wharfd": ("login",)}
# Calls that are not counted: a password's hash, a look into /etc/group, and the stand-in of openat2.c.
FOREIGN = {"crypt_r", "getgrgid", "syscall"}

# Of "wonder land", as `openssl passwd -5` makes it.
HASH = "$5$rounds=1000$guard$iwiWSsfvdKjIVI8qcmIyQFuKVTnm2NCSGiih.Yt99V2"

# auth sets its limit of descriptors to 64, which valgrind refuses where the hard limit is another.  It keeps 12 itself.
AUTH_LIMIT = 64 + 12


class Failed(Exception):
    pass


# The operations.

def login(daemon, _):
    with daemon.ftp() as f:
        f.login(daemon.users[0].name, daemon.users[0].password)
        f.expect("QUIT", 221)
        f.closed()


def download(_, f):
    if len(f.get("RETR file")) != SIZE:
        raise Failed("a download is not whole")


def upload(_, f):
    """All is there before STOR is, so that the worker does not find the end by chance one turn later."""
    with f.passive() as data:
        data.sendall(b"x" * SIZE)
        data.shutdown(socket.SHUT_WR)
        f.expect("STOR new", 150)
        if f.reply() != 226:
            raise Failed("an upload did not succeed")


def listing(_, f):
    if f.get("LIST folder").count(b"\n") != NAMES:
        raise Failed("a listing is not whole")


OPERATIONS = {"login": login, "download": download, "upload": upload, "listing": listing}


# A daemon's life.

def write_script(path, *lines):
    with open(path, "w") as f:
        f.write("\n".join(("#!/bin/sh",) + lines) + "\n")
    os.chmod(path, 0o755)


def put_under_callgrind(daemon):
    """Its binaries become scripts that start them under callgrind.  The roles are looked for beside the monitor's own
    binary, and they get no environment."""
    counted, roles, out = (os.path.join(daemon.folder, name) for name in ("bin", "roles", "profiles"))
    for folder in (counted, roles, out):
        os.mkdir(folder)
    if os.geteuid() == 0:
        os.chown(out, *daemon.owner)
    stand_in = shutil.copy(os.path.join(wharf.BUILD, "tests/libopenat2.so"), roles)
    shutil.copy(os.path.join(daemon.bin, "wharfd"), os.path.join(roles, "monitor"))
    before = {"wharfd-auth": ["ulimit -n %d" % AUTH_LIMIT], "wharfd-agent": ["export LD_PRELOAD=" + stand_in]}
    for role in ROLES:
        binary = os.path.join(daemon.bin, role) if role != "wharfd" else os.path.join(roles, "monitor")
        command = "exec %s -q --vgdb=no --tool=callgrind --callgrind-out-file=%s/%s.%%p %s \"$@\"" % (
            shutil.which("valgrind"), out, role, binary)
        write_script(os.path.join(counted if role == "wharfd" else roles, role), *before.get(role, []), command)
    daemon.bin = counted
    return out


def make_daemon(files):
    daemon = wharf.Daemon("user", users=[wharf.User(root=os.path.join(files, "alice"))],
                          conf="sandbox = none\nworkers = 1\nmax_sessions = 8\nlog_level = info\n"
                               "list_owners = hidden")
    with open(daemon.users_path) as f:
        daemon.keep(re.sub(r":\$[^:]*:", lambda _: ":%s:" % HASH, f.read()), "users")
    daemon.make("file", b"x" * SIZE)
    for number in range(NAMES):
        path = daemon.make("folder/file-%03d" % number, b"x" * number)
        os.utime(path, (10 ** 9, 10 ** 9))
    return daemon


def ledger_of(daemon):
    for pid in daemon.processes():
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            if f.read().rstrip(b"\0").endswith(b"/wharfd-ledger"):
                return pid
    raise Failed("there is no ledger")


def work(daemon, counts):
    ledger = ledger_of(daemon)
    os.kill(ledger, signal.SIGSTOP)
    try:
        with daemon.login() as f:
            for name, times in counts.items():
                for _ in range(times):
                    OPERATIONS[name](daemon, f)
            f.expect("QUIT", 221)
            f.closed()
    finally:
        os.kill(ledger, signal.SIGCONT)


def live(name, counts):
    """What each role has cost in a life.  The profiles are kept under the life's name."""
    kept = os.path.join(PROFILES, name)
    with tempfile.TemporaryDirectory(prefix="wharf-", dir=FILES) as files:
        os.chmod(files, 0o755)
        daemon = make_daemon(files)
        out = put_under_callgrind(daemon)
        with daemon:
            work(daemon, counts)
            # Profiles are written at the end, and removed with all else.
            problems = daemon.stop()
            if problems:
                raise Failed("; ".join(problems))
            shutil.rmtree(kept, ignore_errors=True)
            os.makedirs(kept)
            for profile in os.listdir(out):
                shutil.copy(os.path.join(out, profile), os.path.join(kept, profile.split(".")[0]))
    if sorted(os.listdir(kept)) != sorted(ROLES):
        raise Failed("profiles are there only of: " + " ".join(os.listdir(kept)))
    costs = {}
    for role in ROLES:
        with open(os.path.join(kept, role)) as f:
            costs[role] = count(f)
    return costs


def count(profile):
    """The instructions in a profile of callgrind, without foreign calls: of a function's own lines the second number,
    and of the line behind `calls=` it is what the call has cost in all."""
    names, total, called, is_call = {}, 0, None, False
    for line in profile:
        name = re.match(r"c?fn=\((\d+)\)(?: (.+))?", line)
        if name:
            if name[2]:
                names[name[1]] = name[2].split("@")[0]
            if line[0] == "c":
                called = names[name[1]]
        elif line.startswith("calls="):
            is_call = True
        elif re.match(r"[-+*\d]", line):
            cost = int(line.split()[1])
            if not is_call:
                total += cost
            elif called in FOREIGN:
                total -= cost
            is_call = False
    return total


class Lives:
    """The least that lives have cost, by operation and role; "start" is what all of them have."""

    def __init__(self):
        self.least = collections.defaultdict(dict)

    def round(self):
        for name in ("start", *OPERATIONS):
            counts = {other: SOME + (MORE if other == name else 0) for other in OPERATIONS}
            for role, cost in live(name, counts).items():
                self.least[name][role] = min(cost, self.least[name].get(role, cost))

    def costs(self):
        """By operation and role, what is work of the role."""
        each = {(name, role): round((self.least[name][role] - self.least["start"][role]) / MORE)
                for name in OPERATIONS for role in ROLES if name in TICKING.get(role, OPERATIONS)}
        return {key: cost for key, cost in each.items() if cost >= LEAST}


# The baseline.

def first_line(argv):
    try:
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split("\n")[0]
    except OSError:
        return ""


def surroundings():
    """What counts depend on besides wharfd."""
    with open(os.path.join(wharf.BUILD, "CMakeCache.txt")) as f:
        cache = dict(re.findall(r"^(\w+):\w+=(.*)$", f.read(), re.M))
    with open("/proc/cpuinfo") as f:
        avx2 = " avx2 " in f.read()
    found = {"compiler": first_line([cache["CMAKE_C_COMPILER"], "--version"]),
             "build": " ".join([cache.get("CMAKE_BUILD_TYPE", ""), cache.get("CMAKE_C_FLAGS", "")]).strip(),
             "files": first_line(["stat", "-f", "-c", "%T", FILES]),
             "machine": os.uname().machine + (" with AVX2" if avx2 else "")}
    for package in PACKAGES:
        found[package] = first_line(["dpkg-query", "-W", "-f", "${Version}", package])
    return found


def write_baseline(costs):
    lines = ["# Instructions an operation costs, by role; written by tests/bench/instructions.py --update."]
    lines += ["# %s: %s" % one for one in surroundings().items()]
    lines += ["%s %s %d" % (*key, cost) for key, cost in costs.items()]
    with open(BASELINE, "w") as f:
        f.write("\n".join(lines) + "\n")


def read_baseline():
    with open(BASELINE) as f:
        text = f.read()
    made_with = dict(re.findall(r"^# (\S+): (.*)$", text, re.M))
    costs = {(name, role): int(cost) for name, role, cost in re.findall(r"^(\w+) ([\w-]+) (\d+)$", text, re.M)}
    return made_with, costs


def compare(baseline, costs):
    """What is beyond the limit: worse, better.  A role that had no work to do, or has none any more, counts as one that
    had or has almost none."""
    worse, better = [], []
    for key in sorted({*baseline, *costs}):
        was, now = baseline.get(key, LEAST), costs.get(key, LEAST)
        if abs(now - was) > max(LIMIT * was, CHANCE):
            (worse if now > was else better).append(key)
    return worse, better


def tell(baseline, costs):
    print("%-10s %-14s %10s %10s" % ("operation", "role", "was", "is"))
    for key in sorted({*baseline, *costs}):
        was, now = (str(of[key]) if key in of else "almost 0" for of in (baseline, costs))
        change = "%+.1f %%" % (100 * (costs[key] / baseline[key] - 1)) if key in baseline and key in costs else ""
        print("%-10s %-14s %10s %10s %9s" % (*key, was, now, change))


def tell_worse(worse, made_with):
    for name, role in worse:
        print("\n%s costs more than %d %% more in %s.  Its profile, and the one without the %d %ss to take from it:" % (
            name, 100 * LIMIT, role, MORE, name))
        for life in (name, "start"):
            print("\tcallgrind_annotate --inclusive=yes %s" % os.path.join(PROFILES, life, role))
    here = surroundings()
    other = [what for what in here if here[what] != made_with.get(what)]
    print("\nIf it has to be so: %s --update\nThe baseline was made with %s" % (
        os.path.relpath(os.path.abspath(__file__), wharf.SOURCE),
        "the same compiler and libraries." if not other else "other things, which may be why:"))
    for what in other:
        print("\t%s: was %s, is %s" % (what, made_with.get(what), here[what]))


def guard():
    made_with, baseline = read_baseline()
    lives, begin = Lives(), time.monotonic()
    for number in range(1, MOST + 1):
        lives.round()
        worse, better = compare(baseline, lives.costs())
        if number >= ROUNDS and (not worse or time.monotonic() - begin > SECONDS):
            break
    tell(baseline, lives.costs())
    if better:
        print("\nbetter than the baseline, which should be written anew (--update): " +
              ", ".join("%s of %s" % key for key in better))
    if worse:
        tell_worse(worse, made_with)
        sys.exit(1)


def update():
    lives = Lives()
    for _ in range(MOST):
        lives.round()
    baseline = read_baseline()[1] if os.path.exists(BASELINE) else {}
    tell(baseline, lives.costs())
    write_baseline(lives.costs())


# The proof.

def check(what, condition):
    if not condition:
        sys.exit("not so: " + what)


def prove():
    key, other = ("login", "wharfd-worker"), ("login", "wharfd-auth")
    baseline = {key: 100000, other: 5000}
    for figure, verdict in ((100000, ([], [])), (103000, ([], [])), (103100, ([key], [])), (200000, ([key], [])),
                            (97000, ([], [])), (96900, ([], [key]))):
        check("%d is judged as it should be" % figure, compare(baseline, {**baseline, key: figure}) == verdict)
    check("a few instructions are chance", compare(baseline, {**baseline, other: 5151}) == ([other], []) and
          compare({other: 1500}, {other: 1600}) == ([], []))
    check("work that is new is found", compare({key: 100000}, baseline) == ([other], []))
    check("work that is gone is told", compare(baseline, {key: 100000}) == ([], [other]))
    profile = """fn=(1) main
10 100
+2 20
cfn=(2) crypt_r@@XCRYPT_2.0
calls=1 0
12 5000
cfn=(3) step
calls=3 0
* 37
fn=(2)
0 5000
fn=(3)
5 37
totals: 5157
"""
    check("own lines are counted, and foreign calls are not", count(profile.splitlines()) == 157)
    lives = Lives()
    for some, more in ((1000000, 1000000 + 2000 * MORE), (1000050, 999999 + 2000 * MORE)):
        for name in ("start", *OPERATIONS):
            for role in ROLES:
                cost = more if (name, role) == key else some
                lives.least[name][role] = min(cost, lives.least[name].get(role, cost))
    check("the start cancels out", lives.costs() == {key: 2000})
    print("the comparison bites")


def main():
    if sys.argv[1:] == ["--prove"]:
        prove()
    elif sys.argv[1:] not in ([], ["--update"]):
        sys.exit(__doc__)
    elif not shutil.which("valgrind"):
        print("needs valgrind")
        sys.exit(77)
    else:
        update() if sys.argv[1:] else guard()


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
