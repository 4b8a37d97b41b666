# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Quotas to the byte: many sessions on two workers, near the limit, with uploads that break off, deletions, renames over
other files, overwriting and appending; and whatever is killed."""

import os
import random
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import PATIENCE, case, check, main, until  # noqa: E402
from ftp import reset  # noqa: E402
from uploads import GONE, Stopped, agrees, content, history, parts, slurp, tally, usage  # noqa: E402

BYTES, FILES = 9 << 20, 1300
SESSIONS = 50


def daemon(more="", bytes=BYTES, files=FILES, **how):
    how.setdefault("conf", "workers = 2\nmax_sessions = 120\nmax_sessions_per_address = 120\nlog_level = info")
    return wharf.Daemon("root", users=[wharf.User("alice", "pw")], ports=240, blocks='user "alice" {\n\tquota_bytes = %d\n'
                        '\tquota_files = %d\n\tmax_sessions_per_user = 200\n%s}' % (bytes, files, more), **how)


class Session:
    """One that does what comes: each call is one upload or change, and may end with a new connection."""

    def __init__(self, d, seed):
        self.d, self.chance, self.f = d, random.Random(seed), None
        self.refused = self.done = self.cut = 0

    def login(self):
        if self.f is None:
            self.f = self.d.login(timeout=30)
        return self.f

    def name(self):
        return "d%d/f%d" % (self.chance.randrange(10), self.chance.randrange(200))

    def data(self):
        return bytes(self.chance.choice((0, 1, 100, 3000, 10000, 10000, 40000)))

    def judge(self, r):
        # What is appended in place goes nowhere when another session replaces the file meanwhile: 451.
        check(r.code in (226, 250, 552, 452, 550, 450, 553, 350, 200) or (r.code == 451 and self.doing == "append"),
              self.doing, r)
        self.done += r.code in (226, 250)
        self.refused += r.code in (552, 452)
        return r

    def put(self):
        self.judge(self.f.write("STOR " + self.name(), self.data()))

    def append(self):
        self.judge(self.f.write("APPE " + self.name(), self.data()))

    def copy(self):
        self.judge(self.f.cmd("SITE COPY %s %s" % (self.name(), self.name())))

    def delete(self):
        self.judge(self.f.cmd("DELE " + self.name()))

    def rename(self):
        if self.judge(self.f.cmd("RNFR " + self.name())).code == 350:
            self.judge(self.f.cmd("RNTO " + self.name()))

    def abort(self):
        """An upload that breaks off, in one of the ways there are."""
        sock, r = self.f.open("STOR " + self.name())
        if sock is None:
            self.judge(r)
            return
        try:
            sock.sendall(self.data())
        except OSError:
            pass
        self.cut += 1
        way = self.chance.randrange(4)
        if way == 0:
            reset(sock)
            check(self.f.reply().code in (426, 451, 552, 226))
        elif way == 1:
            self.f.raw(b"ABOR\r\n")
            check(self.f.reply().code in (426, 451, 552, 226))
            check(self.f.reply().code in (225, 226))
            sock.close()
        else:
            if way == 2:
                reset(self.f.sock)
            self.f.close()
            sock.close()
            self.f = None

    def step(self):
        self.login()
        self.doing = self.chance.choices(("put", "append", "copy", "delete", "rename", "abort"), (60, 8, 6, 8, 8, 10))[0]
        getattr(self, self.doing)()


def crowd(d, sessions, steps, failures, stop=lambda: False):
    def work(s):
        try:
            for _ in range(steps):
                if stop():
                    break
                s.step()
        except Exception as e:
            failures.append("%s: %s" % (type(e).__name__, e))
        finally:
            if s.f:
                s.f.close()
    threads = [threading.Thread(target=work, args=(s,)) for s in sessions]
    for t in threads:
        t.start()
    return threads


def folders(d):
    with d.login() as f:
        for n in range(10):
            f.cmd("MKD d%d" % n)
        tally(f)


def within(d):
    """What there is: no more than there may be.  A staged part needs no room in the number of files where it is to take the
    place of one."""
    now = usage(d.root())
    check(now[0] <= BYTES and now[1] <= FILES + len(parts(d.root())), "beyond the limit:", now, len(parts(d.root())))
    return now


@case("U30", "50 sessions near the limit: never beyond it, and at the end right to the byte", modes=("root",))
def many(mode):
    steps = 40 if wharf.is_sanitized() else 200
    with daemon() as d:
        folders(d)
        failures, most, looks = [], (0, 0), 0
        sessions = [Session(d, n) for n in range(SESSIONS)]
        begin = time.monotonic()
        threads = crowd(d, sessions, steps, failures)
        while any(t.is_alive() for t in threads):
            with Stopped(d):
                now = within(d)
            most, looks = (max(most[0], now[0]), max(most[1], now[1])), looks + 1
            time.sleep(0.4)
        for t in threads:
            t.join()
        took = time.monotonic() - begin
        check(not failures, len(failures), failures[:3])
        with d.login() as f:
            agrees(d, f)
            print("  %d files in %.0f s: %d done, %d refused, %d cut; at most %d bytes and %d files in %d looks, at the end %d, %d" % (
                SESSIONS * steps, took, sum(s.done for s in sessions), sum(s.refused for s in sessions),
                sum(s.cut for s in sessions), *most, looks, *tally(f)))
        check(sum(s.refused for s in sessions) > 50, "the limit was hardly met")


@case("U31", "after a kill it is right at the next login", modes=("root",))
def killed(mode):
    d = daemon(expect=["."])
    d.start()
    try:
        folders(d)
        for role in ("worker", "ledger", "agent", "all", "worker", "ledger"):
            failures, ends = [], time.monotonic() + 1
            sessions = [Session(d, random.random()) for _ in range(16)]
            threads = crowd(d, sessions, 100000, failures, lambda: time.monotonic() > ends)
            time.sleep(0.7)
            pids = wharf.family(d.pid) if role == "all" else d.processes("wharfd-" + role)[:1]
            check(pids, "no", role)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            for t in threads:
                t.join()
            if role == "all":
                d.process.wait()
                d.start()

            def logs_in():
                try:
                    return d.login()
                except (AssertionError, OSError, *GONE):
                    return None
            with until(logs_in, what="a login") as f:
                agrees(d, f, what="after the end of " + role)
                within(d)
        problems = d.stop()
        check(not problems, problems)
    except BaseException:
        print("--- the daemon's log ends with\n%s---" % d.log()[-6000:], file=sys.stderr)
        d.kill()
        raise
    finally:
        d.remove()


@case("U32", "the limit to the byte, and one truth for all who ask", modes=("root",))
def exact(mode):
    limit = 1 << 20
    with daemon(bytes=limit, files=5) as d, d.steady(), d.login() as f:
        f.put("one", content("one", limit - 1000))
        check(tally(f) == (limit - 1000, 1), tally(f))
        check(int(f.expect("AVBL", 213).text) == 1000)
        check(f.cmd("ALLO 1001").code in (552, 452))
        check(f.cmd("ALLO 1000").code in (200, 202))
        f.cmd("ALLO 0")
        check(b"%d" % (limit - 1000) in b" ".join(f.cmd("XQUOTA").lines), "XQUOTA")
        f.put("two", content("two", 1000))
        check(tally(f) == (limit, 2) and int(f.expect("AVBL", 213).text) == 0)
        for name, line in (("three", "STOR three"), ("two", "APPE two")):
            before = slurp(d.path(name))
            r = f.write(line, b"x")
            check(r.code in (552, 452), line, r)
            check(slurp(d.path(name)) == before)
            f.cmd("DELE three")
        # In place of another file there must be room for both, until the new one is whole.
        check(f.write("STOR two", content("new", 1001)).code in (552, 452))
        check(slurp(d.path("two")) == content("two", 1000))
        check(f.cmd("SITE COPY two copy").code in (552, 452, 451, 550))
        check(not os.path.exists(d.path("copy")))
        f.cmd("DELE two")
        until(lambda: tally(f)[1] == 1)
        agrees(d, f)
        f.expect("DELE one", 250)
        for n in range(5):
            f.put("n%d" % n, b"")
        check(f.write("STOR n5", b"").code in (552, 452), "a sixth file")
        f.put("n4", b"over another")
        f.expect("RNFR n4", 350)
        f.expect("RNTO n3", 250)
        f.put("n5", b"")
        agrees(d, f)
        check(tally(f)[1] == 5)
        f.get("RETR n3")
        until(lambda: [r["whole"] for r in history(d) if r["command"] == "RETR"] == [True])


@case("U33", "ten at once are not more than one", modes=("root",))
def parallel(mode):
    limit = 1 << 20
    with daemon(bytes=limit, files=1000) as d, d.steady():
        codes, threads = [], []

        def one(number):
            with d.login() as f:
                codes.append(f.write("STOR p%d" % number, content("p", 300000)).code)
        threads = [threading.Thread(target=one, args=(n,)) for n in range(10)]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            with Stopped(d):
                now = usage(d.root())
            check(now[0] <= limit, now)
            time.sleep(0.01)
        check(sorted(set(codes)) in ([226, 552], [552], [226, 452], [452]), codes)
        with d.login() as f:
            agrees(d, f)
        print("  %d of 10 were stored" % codes.count(226))


@case("U34", "what others change is found by a rescan", modes=("root",))
def drift(mode):
    with daemon("\tquota_rescan = 0s\n") as d, d.steady():
        with d.login() as f:
            f.put("a", b"x" * 5000)
            agrees(d, f)
        d.make("by/hand", b"y" * 7000)
        os.link(d.path("by/hand"), d.path("linked"))
        os.symlink("a", d.path("symbolic"))
        os.unlink(d.path("a"))
        with d.login() as f:
            agrees(d, f)
            check(tally(f) == (7000, 1), tally(f))
            f.expect("DELE linked", 250)
            agrees(d, f)


@case("U35", "what is appended to a file that goes meanwhile is not counted", modes=("root",))
def gone(mode):
    with daemon() as d, d.login() as f, d.login() as g:
        # With nothing else there the tally would be less than nothing, and doubted.
        f.put("big", bytes(2 << 20))
        tally(f)
        for goes in (lambda: g.expect("DELE file", 250), lambda: g.put("file", b"new"),
                     lambda: (g.put("other", b"other"), g.expect("RNFR other", 350), g.expect("RNTO file", 250))):
            for proved in (True, False):
                g.put("file", b"old" * 100)
                sock, _ = f.open("APPE file")
                sock.sendall(b"x" * 70000)
                until(lambda: usage(d.root())[0] > (2 << 20) + 300, what="some of it is written")
                goes()
                sock.sendall(b"y" * 400000)
                if proved:
                    sock.shutdown(socket.SHUT_WR)
                else:
                    reset(sock)
                r = f.reply()
                check(r.code in (226, 426, 451, 553), r)
                sock.close()
                g.cmd("DELE file")
                g.cmd("DELE file")
                agrees(d, f)


@case("U36", "versions take their part of it, and none is made in vain", modes=("root",))
def versions(mode):
    limit, kept = 1 << 20, ".wharfd-versions/%s"
    with daemon("\tversions = 4\n", bytes=limit, files=6) as d, d.steady(), d.login() as f:
        f.put("large", content("large", limit - 1000))
        # In place, so that it has to be copied before.
        for _ in range(5):
            check(f.write("APPE large", b"x").code in (552, 452), "a byte for which there is no room beside a copy")
            time.sleep(0.05)
        check(slurp(d.path("large")) == content("large", limit - 1000))
        check(not os.path.exists(d.path(".wharfd-versions")), "versions of a file that was not written")
        agrees(d, f)
    # Under another name each time, as who wants more than his quota would.
    with daemon("\tversions = 4\n", bytes=limit, files=20) as d, d.steady(), d.login() as f:
        f.put("0", content("much", limit // 3))
        for n in range(8):
            f.write(f"APPE {n}", b"")
            f.expect(f"RNFR {n}", 350)
            f.expect(f"RNTO {n + 1}", 250)
        check(usage(d.root())[0] <= limit, f"{usage(d.root())[0]} of {limit} bytes")
        agrees(d, f)
    with daemon("\tversions = 4\n", bytes=limit, files=6) as d, d.steady(), d.login() as f:
        f.put("small", b"0")
        f.put("other", b"0")
        for n in range(1, 5):
            f.put("small", b"%d" % n)
        check(len(os.listdir(d.path(kept % "small"))) == 4)
        agrees(d, f)
        check(tally(f)[1] == 6)
        check(f.write("STOR other", b"1").code in (552, 452), "a version more than files are allowed")
        check(slurp(d.path("other")) == b"0")
        agrees(d, f)


@case("U37", "what an upload has reserved stays so when the ledger is killed", modes=("root",))
def reserved(mode):
    limit = 1 << 20
    with daemon(bytes=limit, expect=["ledger"]) as d, d.login() as f, d.login() as g:
        sock, _ = f.open("STOR slow")
        sock.sendall(bytes(1000))
        until(lambda: usage(d.root())[0] == 1000, what="some of it is written")
        os.kill(d.processes("wharfd-ledger")[0], signal.SIGKILL)
        tally(g, PATIENCE)
        for size in (limit - 1000, 4096, 1):
            g.write("STOR n%d" % size, bytes(size))
        sock.sendall(bytes(60000))
        sock.shutdown(socket.SHUT_WR)
        check(f.reply().code == 226, "what was reserved was not to be had")
        sock.close()
        check(usage(d.root())[0] <= limit, "beyond the limit:", usage(d.root()))
        agrees(d, g)


@case("U38", "in place too, what is refused changes nothing", modes=("root",))
def in_place(mode):
    limit = 1 << 20
    with daemon("\tdurability = none\n", bytes=limit, files=3) as d, d.steady(), d.login() as f:
        f.put("a", content("a", limit - 2000))
        f.put("b", b"b" * 1000)
        f.put("c", b"c" * 1000)
        for n in range(8):
            check(f.write("STOR new%d" % n, b"").code in (552, 452), "a file more than are allowed")
            check(f.cmd("SITE COPY b copy%d" % n).code in (552, 452), "a copy more than are allowed")
        # What is said next finds nothing of them.
        f.expect("NOOP", 200)
        check(sorted(os.listdir(d.root())) == ["a", "b", "c"], os.listdir(d.root()))
        check(f.write("APPE b", b"x").code in (552, 452), "a byte more than are allowed")
        check(f.cmd("SITE COPY a b").code in (552, 452), "a copy over a file")
        check(slurp(d.path("b")) == b"b" * 1000 and slurp(d.path("a")) == content("a", limit - 2000))
        agrees(d, f)
        # With a byte left, what is there is room for what is written over it.
        f.expect("DELE c", 250)
        f.put("b", b"B" * 1000)
        f.put("a", content("A", limit - 2000))
        check(slurp(d.path("b")) == b"B" * 1000 and slurp(d.path("a")) == content("A", limit - 2000))
        agrees(d, f)


@case("U39", "no room is asked for a version that will not be kept", modes=("root",))
def no_version(mode):
    limit = 1 << 20
    with daemon("\tversions = 4\n", bytes=limit, files=20) as d, d.steady(), d.login() as f:
        # Of what is behind a link.
        f.put("old", content("old", limit // 3 * 2))
        os.symlink("old", d.path("link"))
        check(f.write("STOR link", b"new").code == 226, "the file behind a link")
        check(slurp(d.path("old")) == b"new" and not os.path.exists(d.path(".wharfd-versions")))
        agrees(d, f)
        # Of what has been put aside already, and was not written then.
        f.put("name", content("name", limit // 5 * 2))
        os.link(d.path("name"), d.path("other"))
        sock, r = f.open("APPE name")
        check(r.code == 150, r)
        f.raw(b"ABOR\r\n")
        check((f.reply().code, f.reply().code) == (426, 226))
        sock.close()
        check(f.write("STOR name", b"new").code == 226, "the file that has its version")
        check(slurp(d.path("other")) == b"new" and len(os.listdir(d.path(".wharfd-versions/name"))) == 1)
        agrees(d, f)


def finish(sock, session, data):
    """The end of an upload, where it has begun."""
    if sock is None:
        return
    try:
        sock.sendall(data)
    except OSError:
        pass
    sock.close()
    session.reply()


@case("U40", "who writes over a file with nothing left holds off a count of what he will write", modes=("root",))
def full(mode):
    limit = 4 << 20
    with daemon("\tdurability = none\n", bytes=limit) as d, d.steady(), d.login() as f, d.login() as g, d.login() as h:
        f.put("large", bytes(limit - 10))
        f.put("small", bytes(10))
        # Nothing is left.  What is doubted has the files counted, as soon as nobody has reserved anything.
        large, small = f.open("STOR large", rest=1)[0], g.open("STOR small", rest=1)[0]
        h.cmd("DELE small")
        finish(small, g, b"c")
        time.sleep(1.5)
        h.write("STOR other", bytes(limit - 20))
        finish(large, f, bytes(limit - 11))
        check(usage(d.root())[0] <= limit, "beyond the limit:", usage(d.root()))
        agrees(d, f)


if __name__ == "__main__":
    main()
