# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""The three jobs with real clients, every byte compared: `trees.py website | archive | backup [CLIENT ...]`.

website  the files of Debian's wordpress package up
archive  a tree of 20,000 files, and a file of 2 GiB, down
backup   a tar of 1 GiB in, and out again, each interrupted and resumed

Each client does each job that it can, by turns passive and active, over IPv4 and IPv6."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import until  # noqa: E402
from clients import ALL, CACHE, files_of  # noqa: E402
from uploads import length, parts  # noqa: E402

MODE = "root" if os.geteuid() == 0 else "user"
MIB = 1 << 20
# What other people's programs do that a daemon may complain of: a client that is killed in the middle.
EXPECT = []


def free(folder):
    s = os.statvfs(folder)
    return s.f_bavail * s.f_frsize


def ways():
    """Passive and active, IPv4 and IPv6, in turn."""
    while True:
        for active, six in ((False, False), (True, True), (True, False), (False, True)):
            yield active, six


class Failed(Exception):
    pass


class Job:
    def __init__(self, place):
        self.work = tempfile.mkdtemp(prefix="wharf-client-", dir=place)
        self.ways = ways()
        self.done, self.failed = [], []

    def client(self, daemon, name, active=None, six=None):
        kind = ALL[name]
        turn = next(self.ways)
        active = (turn[0] if active is None else active) and kind.can_active
        six = (turn[1] if six is None else six) and kind.can_six and not (active and not kind.can_active_six)
        user = daemon.users[0]
        return kind("::1" if six else "127.0.0.1", daemon.port, user.name, user.password, active, self.work)

    def finish(self, process, seconds=150):
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            status = "a time-out"
        if status != 0:
            with open(os.path.join(self.work, "client.log"), errors="replace") as f:
                raise Failed("ended with %s: %s" % (status, f.read()[-1500:]))

    def attempt(self, name, what, client, function):
        way = "%s, IPv%d" % ("active" if client.active else "passive", 6 if client.six else 4)
        open(os.path.join(self.work, "client.log"), "w").close()
        begin = time.monotonic()
        try:
            function(client)
            self.done.append(name)
            print("%s: %s (%s): ok, %.1f s" % (name, what, way, time.monotonic() - begin), flush=True)
        except (Failed, AssertionError, OSError) as e:
            self.failed.append(name)
            print("%s: %s (%s): FAILED: %s" % (name, what, way, e), flush=True)

    def end(self, least=8):
        shutil.rmtree(self.work, ignore_errors=True)
        print("%d clients, %d failed" % (len(set(self.done)), len(self.failed)))
        if self.failed or (len(sys.argv) < 3 and len(set(self.done)) < least):
            sys.exit(1)


def same_trees(one, other):
    done = subprocess.run(["diff", "-r", "-q", one, other], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failed("the trees differ: " + done.stdout[:1000])


def same_files(one, other):
    if subprocess.run(["cmp", one, other], stdout=subprocess.DEVNULL).returncode != 0:
        raise Failed("%s (%d bytes) and %s (%d bytes) differ" % (one, os.path.getsize(one), other, os.path.getsize(other)))


def chosen(names):
    return [n for n in names if len(sys.argv) < 3 or n in sys.argv[2:]]


def website_in(local):
    """The website as a folder; links of the package that lead out of it are no part of it."""
    shutil.copytree(os.path.join(CACHE, "wordpress/usr/share/wordpress"), local, symlinks=True)
    for path, folders, files in os.walk(local):
        for name in folders + files:
            if os.path.islink(os.path.join(path, name)):
                os.unlink(os.path.join(path, name))
    # Nor are folders that held nothing else: not every client makes empty ones.
    for path, folders, files in os.walk(local, topdown=False):
        if not os.listdir(path):
            os.rmdir(path)
    count = sum(1 for _ in files_of(local))
    print("%d files" % count)
    if count < 2000:
        sys.exit("the wordpress package has no files: run tests/run.sh, which fetches it")


def website():
    job = Job(wharf.PLACE)
    local = os.path.join(job.work, "site")
    website_in(local)
    with wharf.Daemon(MODE, users=[wharf.User("alice", "wonderland")], conf="log_level = info", expect=EXPECT,
                      blocks='user "alice" {\n\tprofile = website\n}') as d:
        def up(client):
            job.finish(client.put_tree(local, "site"))
            same_trees(local, d.path("site"))
        for name in chosen(("curl", "lftp", "ncftp", "tnftp", "rclone", "ftplib", "Net::FTP", "basic-ftp")):
            # curl 7.88 waits for a second when the reply to EPSV comes sooner than it looks for it.
            client = job.client(d, name, active=True) if name == "curl" else job.client(d, name)
            job.attempt(name, "website up", client, up)
            shutil.rmtree(d.path("site"), ignore_errors=True)
    job.end()


def make_archive(folder):
    """200 folders of 100 files, of 0 to 4 KiB, always the same."""
    chance = random.Random(7)
    block = chance.randbytes(8192)
    for i in range(200):
        one = os.path.join(folder, "part%02d" % (i % 20), "set%03d" % i)
        os.makedirs(one)
        for k in range(100):
            size = chance.randrange(0, 4096)
            with open(os.path.join(one, "item-%05d.dat" % (i * 100 + k)), "wb") as f:
                f.write(block[size:size * 2])


def make_large(path, mib):
    """No two blocks are the same, so that a block in the wrong place shows."""
    base = random.Random(11).randbytes(MIB)
    with open(path, "wb") as f:
        for i in range(mib):
            f.write(i.to_bytes(8, "little") + base[8:])


def roomy(need):
    return next((p for p in ("/dev/shm", "/var/tmp") if free(p) > need), wharf.PLACE)


def archive():
    place = roomy(7 << 30)
    job = Job(place)
    with wharf.Daemon(MODE, users=[wharf.User("alice", "wonderland")], conf="log_level = info", expect=EXPECT,
                      place=place) as d:
        make_archive(d.path("archive"))
        make_large(d.path("large"), 2048)
        names = list(files_of(d.path("archive")))
        assert len(names) == 20000

        def tree(client):
            to = os.path.join(job.work, "tree")
            os.mkdir(to)
            try:
                job.finish(client.get_tree("archive", to, names))
                for path, _, files in os.walk(to):
                    for name in files:
                        if name == ".listing":
                            os.unlink(os.path.join(path, name))
                same_trees(d.path("archive"), to)
            finally:
                shutil.rmtree(to)

        def large(client):
            to = os.path.join(job.work, "large")
            try:
                job.finish(client.get_file("large", to))
                same_files(d.path("large"), to)
            finally:
                if os.path.exists(to):
                    os.unlink(to)

        for name in chosen(("curl", "lftp", "ncftp", "tnftp", "wget", "rclone", "ftplib", "Net::FTP", "basic-ftp")):
            client = job.client(d, name, active=True) if name == "curl" else job.client(d, name)
            job.attempt(name, "20,000 files down", client, tree)
        for name in chosen(ALL):
            job.attempt(name, "2 GiB down", job.client(d, name), large)
    job.end()


def interrupted(process, size, least):
    """Kills the client as soon as there is so much; the client must not have been faster."""
    try:
        until(lambda: process.poll() is not None or size() >= least)
    finally:
        process.kill()
        process.wait()


def backup():
    place = roomy(4 << 30)
    job = Job(place)
    tar = os.path.join(job.work, "backup.tar")
    make_large(os.path.join(job.work, "content"), 1024)
    subprocess.run(["tar", "-C", job.work, "-cf", tar, "content"], check=True)
    os.unlink(os.path.join(job.work, "content"))
    whole = os.path.getsize(tar)
    with wharf.Daemon(MODE, users=[wharf.User("alice", "wonderland")], conf="log_level = info",
                      blocks='user "alice" {\n\tupload_rate = 400M\n\tdownload_rate = 400M\n}', expect=EXPECT,
                      place=place) as d:
        there = d.path("backup.tar")

        def staged():
            """The bytes of the upload that is not published yet."""
            return sum(length(path) for path in parts(d.root()))

        def settled():
            """The server has seen the end of the interrupted session."""
            size = [-1]

            def same():
                now = staged()
                still, size[0] = now == size[0], now
                return still
            until(lambda: (time.sleep(0.15), same())[1])

        def drop(client):
            interrupted(client.put_file(tar, "backup.tar"), staged, 200 * MIB)
            settled()
            part = staged()
            if os.path.exists(there) or not 0 < part < whole:
                raise Failed("was not interrupted: %d of %d bytes are there" % (part, whole))
            job.finish(client.resume_put(tar, "backup.tar"))
            same_files(tar, there)

        def fetch(client):
            to = os.path.join(job.work, "restored.tar")
            try:
                interrupted(client.get_file("stored.tar", to), lambda: length(to), 200 * MIB)
                part = os.path.getsize(to)
                if not 0 < part < whole:
                    raise Failed("was not interrupted: %d of %d bytes came" % (part, whole))
                job.finish(client.resume_get("stored.tar", to))
                same_files(tar, to)
            finally:
                for name in os.listdir(job.work):
                    if name.startswith("restored.tar"):
                        os.unlink(os.path.join(job.work, name))

        # Not ncftp: it sends REST, and then a large file from its first byte.
        for name in chosen(("curl", "lftp", "ftplib", "Net::FTP", "basic-ftp")):
            job.attempt(name, "1 GiB up, interrupted, resumed", job.client(d, name), drop)
            for path in [there, *parts(d.root())]:
                if os.path.exists(path):
                    os.unlink(path)
        shutil.copy(tar, d.path("stored.tar"))
        os.chmod(d.path("stored.tar"), 0o644)
        for name in chosen(("curl", "lftp", "tnftp", "wget", "aria2", "ftplib", "Net::FTP", "basic-ftp")):
            job.attempt(name, "1 GiB down, interrupted, resumed", job.client(d, name), fetch)
    job.end()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
