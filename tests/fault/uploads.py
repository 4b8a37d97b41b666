# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Uploads that something befalls, at every step: processes are killed, connections end in each bad way, disks are full,
calls fail.  After each the target is the old file or the whole new one, what was told 226 is there, quota and journal
agree with the disk, and no staging file outlives its time."""

import concurrent.futures
import os
import random
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import Skip, case, check, main, until  # noqa: E402
from ftp import notify, reset  # noqa: E402
from uploads import GONE, Mounted, Upload, agrees, content, history, journal_agrees, no_part_is_left, parts  # noqa: E402

KEEP = 3  # staging_keep, seconds
BLOCK = 'user "alice" {\n\tquota_bytes = 900M\n\tquota_files = 100000\n\tstaging_keep = %ds\n%s}'
CONF = "workers = 1\nmax_sessions_per_address = 100\nmax_sessions = 100\nlog_level = info"
STEPS = ("connected", "150", 1, 65537, 150000, "last", "committing", "committing", "committing", "committing", "226")
# How the file comes to be, and what was there: a new file, one in place of another, the rest of a part.
KINDS = (("STOR", False), ("STOR", True), ("REST", False), ("APPE", True), ("REST", True), ("APPE", False))
SIZES = (300000, 20000, 1200000)
_points = []


def point(*what):
    _points.append(what)


def daemon(more="", tls=True, **how):
    how.setdefault("expect", ["."])
    return wharf.Daemon("root", conf=CONF, blocks=BLOCK % (KEEP, more), tls=tls, ports=120, **how)


def kind(number):
    """What a point has: its file's name and contents, what was there before, how it comes, and whether over TLS."""
    how, over = KINDS[number % len(KINDS)]
    name = "p%04d" % number
    return name, content(name, SIZES[number % len(SIZES)]), content("old" + name, 70000) if over else None, how, number % 4 == 3


def prepare(d, numbers):
    """The files that are there before, made before the daemon is: it counts them at the first login."""
    for number in numbers:
        name, _, old, _, _ = kind(number)
        if old is not None:
            d.make(name, old)


def make(d, number, step):
    """An upload of its own kind for a point."""
    u = Upload(d, *kind(number))
    u.step = step
    return u


def again(d):
    """A session, as soon as there is one."""
    def logs_in():
        try:
            return d.login()
        except (AssertionError, OSError, *GONE):
            return None
    return until(logs_in, what="a login")


@case("U01", "every process, killed at every step", modes=("root",))
def kills(mode):
    chance = random.Random(int(os.environ.get("WHARF_SEED", "4")))
    rounds = [role for _ in range(1 if wharf.is_sanitized() else 2)
              for role in ("worker", "agent", "ledger", "all", "worker", "monitor", "ledger", "agent")]
    uploads, published, resumed = [], 0, 0
    d = daemon()
    prepare(d, [100 * turn + i for turn in range(len(rounds)) for i in range(len(STEPS))])
    d.start()
    try:
        for turn, role in enumerate(rounds):
            batch = []
            for i, step in enumerate(STEPS):
                batch.append(make(d, 100 * turn + i, step))
                batch[-1].advance(step)
            for u in batch:
                if u.step == "committing":
                    u.end()
                    time.sleep(chance.choice((0, 0, 0.0003, 0.001)))
            kill(d, role)
            if role == "ledger":
                survive(batch)
            for u in batch:
                if u.sock and u.step != "connected":
                    u.hear(5)
                u.drop()
                point(role, u.step, u.how)
            if role in ("monitor", "all"):
                d.process.wait()
                d.start()
            with again(d) as f:
                rest = [u for u in batch if not u.published()]
                published += len(batch) - len(rest)
                agrees(d, f, what="after the end of " + role)
            # What commits when only the ledger ends is published yet.
            resumed += sum(u.resume(u.tls) > 0 for u in rest[::2] if u.step != "committing")
            uploads += batch
            old = {path: age for path, age in parts(d.root()).items() if age > KEEP + 30}
            check(not old, "staging files outlive staging_keep:", old)
        no_part_is_left(d, KEEP)
        with again(d) as f:
            agrees(d, f)
        journal_agrees(d, uploads)
        print("  %d rounds, %d uploads, %d published, %d resumed by a part of them" % (
            len(rounds), len(uploads), published, resumed))
        problems = d.stop()
        check(not problems, problems)
    except BaseException:
        print("--- the daemon's log ends with\n%s---" % d.log()[-6000:], file=sys.stderr)
        d.kill()
        raise
    finally:
        d.remove()


def kill(d, role):
    if role == "all":
        pids = wharf.family(d.pid)
        random.shuffle(pids)
    else:
        pids = [d.pid] if role == "monitor" else d.processes("wharfd-" + role)
    check(pids, "there is no", role)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def survive(batch):
    """Who has a running upload when the ledger ends may be refused more room, but nothing is torn."""
    for u in batch:
        if u.sock and u.step not in ("connected", "committing", "226"):
            u.send(len(u.new))
            u.end()


# The bad ends of connections: what happens, and whether that may publish after all of the data was sent and ended.

def no_close_notify(u):
    u.sock.close()


def broken(u):
    reset(u.sock)


def silence(u):
    pass


def control_fin(u):
    u.f.sock.close()


def control_reset(u):
    reset(u.f.sock)


def both_reset(u):
    reset(u.f.sock)
    reset(u.sock)


def killed(u):
    """What the kernel does for a client that was killed: FIN on both."""
    u.f.sock.close()
    u.sock.close()


def abor(u):
    u.f.raw(b"ABOR\r\n")


def abor_and_gone(u):
    u.f.raw(b"ABOR\r\n")
    u.f.sock.close()


ENDS = (no_close_notify, broken, silence, killed, control_fin, control_reset, both_reset, abor, abor_and_gone)
GONE_ENDS = (killed, control_fin, control_reset, both_reset, abor_and_gone)
PLACES = ("150", 1, 65537, 150000, "last", "committing")


@case("U02", "every bad end of a connection, at every step, and the upload resumed", modes=("root",))
def ends(mode):
    works = [(end, step) for end in ENDS for step in PLACES if (end, step) != (silence, "committing")] * 2
    d = daemon("\tstall_timeout = 1s\n")
    prepare(d, range(len(works)))
    with d:
        def one(number):
            """The upload, and where it went on: None if it was left as it was."""
            end, step = works[number]
            u = make(d, number, step)
            if end is no_close_notify and not u.tls:
                u.drop()
                u = Upload(d, u.name + "t", u.new, None, "STOR", True)
            u.advance(step)
            if step == "committing":
                u.end()
            # At once, or when the server has had time to look.
            time.sleep(0.05 * (number % 3))
            end(u)
            u.hear(0.2 if end in GONE_ENDS else 6)
            point(end.__name__, step, u.how)
            before = u.published()
            check(not before or step == "committing", u.name, end.__name__, "after", step, "was published")
            check(u.acked or end in (silence, *GONE_ENDS) or
                  any(r.code in (426, 450, 451, 226) for r in u.replies), u.name, end.__name__, step, u.replies)
            at = None
            if end is not silence and step != "committing":
                # Where the control connection is gone, the server may still be about to find out.
                at = until(lambda: resume(u), what="resuming " + u.name)[0]
            u.drop()
            return u, at
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(one, range(len(works))))
        uploads = [u for u, _ in done]
        for u in uploads:
            u.drop()
        with again(d) as f:
            agrees(d, f)
        no_part_is_left(d, KEEP)
        with again(d) as f:
            agrees(d, f)
        journal_agrees(d, uploads)
        ats = [at for _, at in done if at is not None]
        parted = sum(at > 0 for at in ats)
        print("  %d uploads, %d gone on with, %d of them by a part" % (len(uploads), len(ats), parted))
        check(len(ats) == sum(end is not silence and step != "committing" for end, step in works), len(ats))
        check(parted >= len(ats) // 2, "hardly any was resumed by a part of it")


def resume(u):
    """Where the upload went on, alone in a tuple; None while another session of his is still at it."""
    try:
        return (u.resume(u.tls),)
    except AssertionError as e:
        if re.search(r"4[25][0-9] ", str(e)):
            return None
        raise


@case("U03", "a disk that is full: tmpfs, ext4", modes=("root",))
def full(mode):
    for kind, size in (("tmpfs", 1 << 20), ("ext4", 8 << 20)):
        with Mounted(kind, size) as disk:
            user = wharf.User("alice", "pw", root=disk.path)
            with daemon(users=[user], tls=False) as d:
                os.chown(disk.path, user.uid, user.uid)
                fill(d, disk)
                no_part_is_left(d, KEEP)
                with again(d) as f:
                    agrees(d, f)


def fill(d, disk):
    """Uploads that fit to the last byte or not; the file in the way stays."""
    uploads = []
    free = os.statvfs(disk.path).f_bavail * os.statvfs(disk.path).f_frsize
    for number, (over, size) in enumerate((over, size) for over in (False, True)
                                          for size in (free + 1, free + 5000, 3 * free, free // 2, 4 * free)):
        name = "f%d" % number
        if over:
            with d.login() as f:
                f.put(name, b"old" * 1000)
        u = Upload(d, name, content(name, size), b"old" * 1000 if over else None)
        if number % 2:
            check(u.f.cmd("ALLO %d" % size).code in ((552, 452) if size > free else (200, 202)), "ALLO", size, free)
            u.f.cmd("ALLO 0")
        u.begin()
        u.send(size)
        u.end()
        u.hear(15)
        fits = size < free
        check(u.acked == fits, disk.kind, size, "of", free, u.replies)
        check(fits or u.replies[-1].code in (452, 552, 451), u.replies)
        check(u.published() == fits)
        u.f.cmd("DELE " + u.name)
        if not fits and over:
            u.f.cmd("DELE " + u.name)
        agrees(d, u.f)
        point("full", disk.kind, size)
        u.drop()
        uploads.append(u)
    journal = [u for u in uploads if u.acked]
    journal_agrees(d, journal)


CALLS = (("worker", "pwritev2,pwritev,pwrite64", 1), ("agent", "fsync,fdatasync", 1), ("worker", "fsync,fdatasync,sync_file_range", 1),
         ("agent", "renameat2,renameat", 1), ("agent", "openat2,openat", 3), ("agent", "fsetxattr", 1), ("agent", "fchmod", 1))


@case("U04", "calls that fail", modes=("root",))
def errors(mode):
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("nothing can be traced here")
    uploads, told = [], {}
    d = daemon()
    prepare(d, range(1000, 1100))
    with d:
        number = 1000
        for role, calls, first in CALLS:
            for error in ("EIO", "ENOSPC") if "fsync" in calls or "pwrite" in calls else ("EIO",):
                for start in (first, first + 1):
                    batch = []
                    for _ in range(3):
                        batch.append(make(d, number, calls))
                        number += 1
                    with Injected(d, role, calls, error, start, 2):
                        for u in batch:
                            try_one(u)
                            told[role, calls, error] = told.get((role, calls, error), 0) + (not u.acked)
                            point(role, calls, error)
                    for u in batch:
                        u.published()
                        if "fsync" in calls and u.replies and u.replies[-1].code == 451 and "EIO" == error:
                            # The agent's first is the file's; a later one may be the folder's.
                            retry(u, role == "worker" or u is batch[0] and start == first)
                        u.drop()
                    uploads += batch
        with again(d) as f:
            agrees(d, f)
        journal_agrees(d, uploads)
        no_part_is_left(d, KEEP)
        print("  refused: " + ", ".join("%s %s %s %d" % (*key, n) for key, n in told.items()))
        for role, calls, error in told:
            must = calls.split(",")[0] in ("pwritev2", "renameat2") or (role, calls) == ("agent", "fsync,fdatasync")
            check(not must or told[role, calls, error], role, calls, error, "was never felt")


def try_one(u):
    """The whole upload, with what comes instead of 150 or 226."""
    try:
        u.begin()
    except AssertionError:
        u.replies.append(u.f.cmd("NOOP"))
        return
    u.send(len(u.new))
    u.end()
    u.hear(10)


def retry(u, of_file):
    """After a failed fsync of the file nobody knows what is on disk: what was written before is sent again, all of it."""
    u.f.sock.settimeout(15)
    r = u.f.cmd("SIZE " + u.name)
    old = len(u.old) if u.old is not None else None
    check(not of_file or r.code == 550 or int(r.text) == old, u.name, "a part is left that fsync failed for:", r)
    u.f.put(u.name, u.new)
    u.acked = True
    u.published()


class Injected:
    """Every step-th call of that kind fails, from the first on, as long as this lasts."""

    def __init__(self, d, role, calls, error, first, step):
        self.pids = d.processes("wharfd-" + role)
        check(self.pids, "no", role)
        self.argv = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls,
                     "-e", "inject=%s:error=%s:when=%d+%d" % (calls, error, first, step)]
        for pid in self.pids:
            self.argv += ["-p", str(pid)]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def attached():
            if self.process.poll() is not None:
                raise AssertionError("strace: %s" % self.process.stderr.read())
            return all(wharf.status_of(int(task))["TracerPid"] == str(self.process.pid)
                       for pid in self.pids for task in os.listdir("/proc/%d/task" % pid))
        until(attached, what="strace has attached")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stderr.close()


def give_up(u, control_first):
    """What curl does when its time is over: close_notify and FIN on both, as one that is done."""
    if control_first:
        notify(u.f.sock)
        u.f.sock.close()
        time.sleep(0.05)
    u.end()
    if not control_first:
        notify(u.f.sock)
        u.f.sock.close()


@case("U05", "who gives up ends TLS as one that is done, and publishes nothing", modes=("root",))
def given_up(mode):
    works = [(1000, True), (300000, True), (3000000, True), (3000000, False), (1100000, False)]
    with daemon() as d:
        for n, (size, control_first) in enumerate(works):
            name = "given%d" % n
            u = Upload(d, name, content(name, size), None, "STOR", True)
            u.advance("last")
            give_up(u, control_first)
            until(lambda: name in [r["path"][1:] for r in history(d)], what="its record")
            check(not u.published(), name, "was published")
            u.drop()
            u.resume(True)
        ends = [r["verdict"] for r in history(d)]
        check(ends.count("control-lost") == len(works), ends)


@case("U09", "there were enough points", modes=("root",))
def enough(mode):
    print("  %d points: %s" % (len(_points), ", ".join(
        "%s %d" % (what, sum(p[0] == what for p in _points)) for what in dict.fromkeys(p[0] for p in _points))))
    check(len(_points) >= 200 or wharf.is_sanitized() or len(sys.argv) > 2, len(_points))


if __name__ == "__main__":
    main()
