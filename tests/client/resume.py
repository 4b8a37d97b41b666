# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Real clients go on with uploads that were cut: lftp `put -c`, curl `-C -`, ftplib's REST, and rclone, which begins anew;
each in clear and over TLS, cut when hardly any or half of it was there.  The result compares equal.  All the while
somebody looks at the target a thousand times a second, as a web server would: the old file or the new one, whole."""

import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import wharf  # noqa: E402
from cases import until  # noqa: E402
from clients import ALL, Tls  # noqa: E402
from trees import Failed, Job, same_files  # noqa: E402
from uploads import RESERVED, content, entries, length, parts, slurp  # noqa: E402

MODE = "root" if os.geteuid() == 0 else "user"
# The kernel takes some 10 MB for a client before the server has read them: what is cut is cut before these.
SIZE = 24000000
CUTS = (1, 11000000)
CLIENTS = ("lftp", "curl", "ftplib", "rclone")
BEGINS_ANEW = ("rclone",)


class Reader(threading.Thread):
    """Reads a file again and again, as fast as it is asked to, and keeps what it may not see.  look: reads it, or some of
    it."""

    def __init__(self, path, versions, look=slurp, rate=1000):
        super().__init__()
        self.path, self.look, self.rate = path, look, rate
        self.versions = versions
        self.reads, self.wrong, self.seen, self.stopped = 0, [], set(), False

    def run(self):
        due = time.monotonic()
        while not self.stopped:
            data = self.look(self.path)
            if data not in self.versions:
                self.wrong.append(data and len(data))
            else:
                self.seen.add(self.versions.index(data))
            self.reads += 1
            due = max(due + 1 / self.rate, time.monotonic() - 0.05)
            time.sleep(max(0, due - time.monotonic()))

    def __enter__(self):
        self.began = time.monotonic()
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.join()
        self.per_second = self.reads / (time.monotonic() - self.began)


def ends_of(data):
    return data and (len(data), data[:64], data[-64:])


def ends_on_disk(path):
    """Length, first and last bytes: to read all of a large file takes longer than there is time for."""
    try:
        with open(path, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            return size, f.read(64), os.pread(f.fileno(), 64, max(0, size - 64))
    except FileNotFoundError:
        return None


class ResumeJob(Job):
    def __init__(self, place):
        super().__init__(place)
        self.local = os.path.join(self.work, "local")
        self.new = random.Random(31).randbytes(SIZE)
        with open(self.local, "wb") as f:
            f.write(self.new)
        self.readings = []

    def make(self, d, name, tls):
        client = self.client(d, name, active=False, six=False)
        if not tls:
            return client
        return type(client)("localhost" if name == "curl" else client.host, d.port, client.user, client.password, False,
                            self.work, Tls("explicit", "1.3", certificates.authority().path))

    def cut(self, d, client, name, at):
        """Starts the upload and ends the client when so much of it has come."""
        process = client.put_file(self.local, name)
        try:
            until(lambda: process.poll() is not None or any(
                st.st_size >= at for path, st in entries(d.root()) if os.path.basename(path).startswith(RESERVED)),
                20, "%d bytes" % at)
        finally:
            process.kill()
            process.wait()
        if process.returncode != -9:
            with open(os.path.join(self.work, "client.log"), errors="replace") as f:
                raise Failed("ended by itself with %d: %s" % (process.returncode, f.read()[-1000:]))

    def one(self, d, name, tls, at, old):
        target = "target"
        if old is not None:
            d.make(target, old)

        def both(client):
            with Reader(d.path(target), [ends_of(old), ends_of(self.new)], ends_on_disk) as reader:
                self.cut(d, client, target, at)
                until(lambda: all(not locked(path) for path in parts(d.root())), what="the session has ended")
                staged = parts(d.root())
                if len(staged) != 1:
                    raise Failed("%d staging files after the cut" % len(staged))
                begun = length(next(iter(staged)))
                before = len(d.transfers())
                if name in BEGINS_ANEW:
                    self.finish(client.put_file(self.local, target))
                else:
                    self.finish(client.resume_put(self.local, target))
                if slurp(d.path(target)) != self.new:
                    same_files(self.local, d.path(target))
            if reader.wrong:
                raise Failed("a reader saw what is neither the old nor the new file: %s" % reader.wrong[:5])
            if parts(d.root()):
                raise Failed("a staging file is left")
            self.readings.append(reader.per_second)
            sent = sum(int(t["bytes"]) for t in d.transfers()[before:] if t["what"] == "upload")
            if name not in BEGINS_ANEW and sent > SIZE - begun:
                raise Failed("%d bytes were sent, though %d of %d were there" % (sent, begun, SIZE))
        client = self.make(d, name, tls)
        self.attempt(name, "cut at %d, %s, %s" % (at, "TLS" if tls else "clear", "over a file" if old else "new"), client, both)
        if os.path.exists(d.path(target)):
            os.unlink(d.path(target))
        for path in parts(d.root()):
            os.unlink(path)


def locked(path):
    """Whether somebody holds the lock of a staging file: an open file description's, of which this asks only."""
    import fcntl
    import struct
    with open(path, "rb") as f:
        answer = fcntl.fcntl(f, 36, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_GETLK
    return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK


def clients():
    job = ResumeJob(wharf.PLACE)
    with wharf.Daemon(MODE, users=[wharf.User("alice", "wonderland")], tls=True,
                      blocks='user "alice" {\n\tupload_rate = 24M\n}') as d:
        turn = 0
        for name in CLIENTS:
            for tls in (False, True):
                for at in CUTS:
                    job.one(d, name, tls, at, content("old", 50000) if turn % 2 else None)
                    turn += 1
                turn += 1
    print("the target was read %d to %d times a second" % (min(job.readings, default=0), max(job.readings, default=0)))
    job.end(least=len(CLIENTS))


def web():
    """Versions of a page, one after the other, each by a client's own upload; curl, lftp and others at once."""
    job = ResumeJob(wharf.PLACE)
    versions = [content("page %d" % n, 40000 + n) for n in range(40)]
    with wharf.Daemon(MODE, users=[wharf.User("alice", "wonderland")], tls=True) as d:
        d.make("index.html", versions[0])
        with Reader(d.path("index.html"), versions) as reader:
            with d.login() as f, d.login_tls() as g:
                for n, page in enumerate(versions[1:]):
                    if n % 4 == 3:
                        # One that breaks off in its middle is never seen.
                        sock, _ = f.open("STOR index.html")
                        sock.sendall(b"half" * 5000)
                        f.raw(b"ABOR\r\n")
                        f.reply(), f.reply()
                        sock.close()
                    (f if n % 2 else g).put("index.html", page)
                    time.sleep(0.02)
            path = os.path.join(job.work, "page")
            for n in (1, 2, 3):
                with open(path, "wb") as out:
                    out.write(versions[n])
                for name in ("curl", "lftp"):
                    job.finish(job.make(d, name, False).put_file(path, "index.html"))
        print("read %d times, %d a second, %d versions were seen" % (reader.reads, reader.per_second, len(reader.seen)))
        if reader.wrong:
            sys.exit("a reader saw neither the old nor the new file: %s" % reader.wrong[:10])
        if reader.per_second < (100 if wharf.is_sanitized() else 500) or len(reader.seen) < 20:
            sys.exit("it was not read often enough")
    subprocess.run(["rm", "-rf", job.work], check=True)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
