# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Real clients over TLS, every byte compared, and what the server says of their sessions.

matrix  each client that can, over explicit and implicit TLS, 1.2 and 1.3, with hundreds of transfers in a session
mirror  lftp mirror of a website of some 2,500 files, up and down
sizes   500 uploads of sizes around the boundaries of records and buffers, by five clients

Where a client resumes sessions on data connections, tls_reuse is on; those that do not are told by `resumes` in
clients.py, and must then not be found to resume."""

import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import wharf  # noqa: E402
from clients import ALL, Tls, files_of  # noqa: E402
from trees import Failed, Job, chosen, same_files, same_trees, website_in  # noqa: E402

MODE = "root" if os.geteuid() == 0 else "user"
KINDS = [(kind, version) for kind in ("explicit", "implicit") for version in ("1.2", "1.3")]


class TlsJob(Job):
    """The jobs of one daemon; a client's way is told as Job does, with its TLS before it."""

    def daemon(self, reuse):
        return wharf.Daemon(MODE, users=[wharf.User("alice", "wonderland")], tls=True,
                            conf="tls_reuse = %s\nrequire_tls = all" % reuse)

    def make(self, daemon, name, kind, version, active=None, six=None):
        client = self.client(daemon, name, active, six)
        client.active = client.active and client.can_active_tls
        port = daemon.tls_port if kind == "implicit" else daemon.port
        return type(client)(client.host, port, client.user, client.password, client.active, self.work,
                            Tls(kind, version, certificates.authority().path))

    def judged(self, daemon, name, kind, version, what, function, active=None, six=None):
        """The job, and then the log: each transfer complete, over TLS, by a resumed session or not as is due."""
        client = self.make(daemon, name, kind, version, active, six)
        before = len(daemon.transfers())

        def both(client):
            function(client)
            transfers = daemon.transfers()[before:]
            ends = {t["verdict"] for t in transfers}
            if not ends <= {"complete", "close-notify"}:
                raise Failed("transfers ended by %s" % ends)
            if any(t["tls"] == "no" for t in transfers):
                raise Failed("there were transfers in clear")
            resumed = sum(t["tls"] == "resumed" for t in transfers)
            if version in client.resumes and resumed != len(transfers):
                raise Failed("%d of %d transfers resumed the session" % (resumed, len(transfers)))
            print("  %d transfers, %d resumed" % (len(transfers), resumed))
        self.attempt(name, "%s, %s TLS %s" % (what, kind, version), client, both)


def make_tree(folder, sizes):
    """A file a size, in three folders."""
    chance = random.Random(3)
    for number, size in enumerate(sizes):
        path = os.path.join(folder, "set%d" % (number % 3), "file-%04d-%d" % (number, size))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(chance.randbytes(size))


def matrix():
    job = TlsJob(wharf.PLACE)
    chance = random.Random(5)
    trees = {}
    for name, count in (("medium", 60), ("large", 240)):
        trees[name] = os.path.join(job.work, name)
        make_tree(trees[name], [chance.choice((0, 1, 500, 4096, 20000, 70000)) for _ in range(count)])
    large = os.path.join(job.work, "file")
    with open(large, "wb") as f:
        f.write(chance.randbytes(12 << 20))
    daemons = {reuse: job.daemon(reuse) for reuse in ("on", "auto")}

    def jobs(daemon, kind, local):
        names = list(files_of(local))

        def up(client):
            job.finish(client.put_tree(local, "tree"))
            same_trees(local, daemon.path("tree"))

        def down(client):
            to = os.path.join(job.work, "back")
            try:
                job.finish(client.get_tree("tree", to, names))
                for path, _, files in os.walk(to):
                    if ".listing" in files:
                        os.unlink(os.path.join(path, ".listing"))
                same_trees(local, to)
            finally:
                shutil.rmtree(to, ignore_errors=True)

        def file(client):
            if hasattr(client, "put_file"):
                job.finish(client.put_file(large, "large"))
            else:
                shutil.copy(large, daemon.path("large"))
                os.chmod(daemon.path("large"), 0o644)
            same_files(large, daemon.path("large"))
            to = os.path.join(job.work, "back")
            job.finish(client.get_file("large", to))
            same_files(large, to)
            # The rest of what was cut short, up and down.
            if hasattr(client, "resume_get"):
                os.truncate(to, 5000000)
                job.finish(client.resume_get("large", to))
                same_files(large, to)
            if hasattr(client, "resume_put"):
                os.truncate(daemon.path("large"), 5000000)
                job.finish(client.resume_put(large, "large"))
                same_files(large, daemon.path("large"))
            os.unlink(to)
        return ([("tree up", up)] if hasattr(kind, "put_tree") else []) + [("tree down", down), ("12 MiB", file)]

    # curl 7.88 waits a second where the answer to EPSV is there as soon as it has asked: where a server takes its core.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    with daemons["on"], daemons["auto"]:
        os.sched_setaffinity(0, cores[1:] or cores)
        for name in chosen([n for n in ALL if ALL[n].can_tls]):
            for kind, version in KINDS:
                daemon = daemons["on" if version in ALL[name].resumes else "auto"]
                local = trees["large" if (kind, version) == KINDS[1] else "medium"]
                for what, function in jobs(daemon, ALL[name], local):
                    if what == "tree down" and not hasattr(ALL[name], "put_tree"):
                        shutil.copytree(local, daemon.path("tree"))
                    job.judged(daemon, name, kind, version, what, function)
                shutil.rmtree(daemon.path("tree"), ignore_errors=True)
                if os.path.exists(daemon.path("large")):
                    os.unlink(daemon.path("large"))
    job.end(least=7)


def mirror():
    job = TlsJob(wharf.PLACE)
    local = os.path.join(job.work, "site")
    website_in(local)
    with job.daemon("on") as d:
        def both(client):
            begin = time.monotonic()
            job.finish(client.put_tree(local, "site"))
            same_trees(local, d.path("site"))
            to = os.path.join(job.work, "back")
            up = time.monotonic()
            job.finish(client.get_tree("site", to, None))
            same_trees(local, to)
            print("  up %.1f s, down %.1f s" % (up - begin, time.monotonic() - up))
            shutil.rmtree(to)
            shutil.rmtree(d.path("site"))
        job.judged(d, "lftp", "explicit", "1.3", "website up and down", both, active=False)
    job.end(least=1)


BOUNDARIES = [0, 1, 2, 16383, 16384, 16385, 32767, 32768, 32769, 65535, 65536, 65537, 131071, 131072, 131073, 262143, 262144,
              262145, (1 << 20) - 1, 1 << 20, (1 << 20) + 1]


def sizes():
    """None of them may be told 426 or 450, or be stored in part: proftpd#2015, pyftpdlib#602, curl#6149."""
    job = TlsJob(wharf.PLACE)
    five = chosen(("curl", "lftp", "rclone", "ftplib", "basic-ftp"))
    chance = random.Random(13)
    stored = 0
    with job.daemon("on") as d:
        for name in five:
            local = os.path.join(job.work, "sizes")
            make_tree(local, BOUNDARIES + [chance.randrange(0, 400000) for _ in range(100 - len(BOUNDARIES))])

            def up(client):
                before = len(d.transfers()), len(d.log())
                job.finish(client.put_tree(local, "sizes"))
                same_trees(local, d.path("sizes"))
                uploads = [t for t in d.transfers()[before[0]:] if t["what"] == "upload"]
                if len(uploads) != 100:
                    raise Failed("%d uploads" % len(uploads))
                bad = [line for line in d.log()[before[1]:].splitlines()
                       if " command " in line and line.rsplit("=", 1)[1] in ("426", "450", "451", "425", "522")]
                good = d.log()[before[1]:].count("reply=226")
                if bad or good < 100:
                    raise Failed("%d times 226, and %s" % (good, bad[:3]))
            job.judged(d, name, "explicit", "1.3", "100 sizes up", up)
            stored += 100
            shutil.rmtree(local)
            shutil.rmtree(d.path("sizes"), ignore_errors=True)
    print("%d uploads" % stored)
    job.end(least=5)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
