# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""wharfd beside Debian's vsftpd, ProFTPD, Pure-FTPd and pyftpdlib in one run, in turns A B C D, B C D A, ...: the rows of
rows.py, each with its goal.  Prints tables in Markdown and, with --json FILE, writes the figures.

	bench.py [--short] [--rounds N] [--json FILE] [--row ROW,...] [--peer PEER,...]

CPU is of all processes of a server, those that have ended too: each has a control group of its own.  The server is on one
core, with one worker where that is wharfd, and the load on another.  Memory is the sum of PSS over all processes, in a
server that has just been started, less what it was without sessions.  TLS is 1.3 with AES-128-GCM and one ECDSA P-256
certificate for all; data connections offer the newest ticket of their control connection.  Logins are anonymous, with
Pure-FTPd a user's whose hash costs a few microseconds.  wharfd stages uploads, with durability = rename and the default
digest; the peers write in place.  Servers with a process a session have fewer sessions in the rows of memory, and fewer
logins.

Without root there are no peers, which need it to serve, and no rows of memory; CPU is then that of living processes."""

import argparse
import contextlib
import filecmp
import json
import os
import pwd
import shutil
import signal
import sys
import tempfile
import time

import loads
import report
import servers
from loads import Failed, Load
from rows import ROWS, Sizes
from servers import wharf

SERVER, CLIENT = 0, -1  # cores
WARM = 4 << 30
filecmp.BUFSIZE = 128 << 10  # its own would take longer than the upload
UNPACKED_VERSIONS = os.path.join(servers.UNPACKED, "versions")


def make_folder(folder):
    """One that anonymous clients may write to."""
    os.mkdir(folder)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(wharf.ANONYMOUS)
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def clean(server):
    """Removes what was uploaded."""
    folder = os.path.join(server.root, "in")
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)


class Job:
    """What is moved in this run, and one measurement."""

    def __init__(self, args, place):
        self.sizes, self.place = Sizes(args.short), place
        self.settle = 0.02 if args.short else 0.2
        self.folder = tempfile.mkdtemp(prefix="wharf-load-", dir=place)

    def make(self):
        # The first use of a machine's memory may cost more than all that is measured.
        if not self.sizes.short:
            loads.make(WARM, self.path("warm"))
            os.unlink(self.path("warm"))
        for name, size in self.sizes.size.items():
            loads.make(size, self.path(name), name == "text")

    def path(self, name):
        return os.path.join(self.folder, name)

    def prepare(self, server, rows):
        """What is downloaded, as links: the page cache is the same for all; and a folder that takes uploads."""
        for name in ("large", "text"):
            os.link(self.path(name), os.path.join(server.root, name))
        os.mkdir(os.path.join(server.root, "small"))
        for number in range(self.sizes.files):
            os.link(self.path("small"), os.path.join(server.root, "small", str(number)))
        if any(row.verb in ("list", "mlsd") for row in rows):
            os.mkdir(os.path.join(server.root, "many"))
            for number in range(self.sizes.entries):
                os.close(os.open(os.path.join(server.root, "many", "file-%06d" % number), os.O_CREAT | os.O_WRONLY, 0o644))
        clean(server)

    def load(self, server, row):
        return Load(server, row.tls, self.sizes.work(row, server.forks), text=row.what == "text", core=CLIENT,
                    settle=self.settle)

    def measure(self, server, row):
        """Seconds of CPU and of the clock for one piece of work, and what the load has to say of data connections."""
        with self.load(server, row) as load:
            before, begin = server.meter.seconds(), time.monotonic()
            connections, resumed, first = load.go()
            wall = time.monotonic() - begin
            time.sleep(self.settle)
            cpu = server.meter.seconds() - before
        count = self.sizes.count(row, server.forks)
        if row.verb == "put":
            # Not on the servers' core: what the kernel frees later would be the next server's to pay.
            with servers.on(CLIENT):
                self.check(server, row, count)
                clean(server)
        unit = self.sizes.unit(row, "cpu")[1]
        result = {"cpu": cpu / count, "wall": wall / count * unit, "first": first / 1e6}
        if row.tls and connections:
            result["resumed"] = resumed / connections
        return result

    def memory(self, kind, row):
        """Bytes a session, of a server of its own."""
        with started(kind, self.place) as server:
            before = server.meter.pss()
            with self.load(server, row):
                time.sleep(5 * self.settle)
                after = server.meter.pss()
        sessions = self.sizes.sessions(row, kind.forks)
        return {"memory": (after - before) / sessions, "whole": after / sessions}

    def check(self, server, row, count):
        """All are there, of the right size, and in the first is what it should be."""
        folder = os.path.join(server.root, "in")
        sizes = [entry.stat().st_size for entry in os.scandir(folder)]
        if sizes != [self.sizes.size[row.what]] * count or \
                not filecmp.cmp(os.path.join(folder, "0"), self.path(row.what), shallow=False):
            raise Failed("%s: %s did not store what it said that it stored" % (row.name, server.name))

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def started(kind, place, prepare=lambda server: None):
    server = kind(place)
    # Two of a kind may run at once.
    server.meter = servers.Meter("%s-%d" % (kind.name, server.port))
    try:
        prepare(server)
        with servers.on(SERVER):
            server.start()
        server.meter.take(server.pid)
        yield server
    finally:
        server.stop()
        server.meter.end()


def attempt(server, measure):
    """Where a peer fails once in tens of thousands of transfers, that is told, and it is tried again; None where it does
    not help.  wharfd may not fail."""
    for _ in range(3):
        try:
            return measure()
        except Failed as why:
            if server.name == servers.Wharfd.name:
                raise
            print("again: %s" % why, file=sys.stderr)
    return None


def compare(rows, kinds, args, job):
    """By the row's name and the server's: a list of figures, one a round."""
    figures = {row.name: {} for row in rows}
    with contextlib.ExitStack() as stack:
        running = {}
        if any(row.verb != "idle" for row in rows):
            for kind in kinds:
                running[kind] = stack.enter_context(started(kind, job.place, lambda s: job.prepare(s, rows)))
        for turn in range(args.rounds):
            print("round %d of %d" % (turn + 1, args.rounds), file=sys.stderr)
            for row in rows:
                for kind in kinds[turn % len(kinds):] + kinds[:turn % len(kinds)]:
                    if row.verb in kind.lacks:
                        continue
                    if row.verb == "idle":
                        value = attempt(kind, lambda: job.memory(kind, row))
                    else:
                        value = attempt(running[kind], lambda: job.measure(running[kind], row))
                    if value is None and row.verb == "put":
                        clean(running[kind])
                    figures[row.name].setdefault(kind.name, []).append(value)
    return figures


def notes(args, congestion):
    cores = "server on core %d, load on core %d" % (servers.CORES[SERVER], servers.CORES[CLIENT])
    print("%s; rounds: %d; %s; loopback, %s; files on %s." % (time.strftime("%Y-%m-%d"), args.rounds, cores, congestion,
                                                             "tmpfs" if args.place == "/dev/shm" else args.place))
    if args.peers and os.path.exists(UNPACKED_VERSIONS):
        with open(UNPACKED_VERSIONS) as f:
            versions = dict(line.split() for line in f)
        print("Peers: %s." % ", ".join("%s %s" % (peer.package, versions.get(peer.package)) for peer in args.peers))
    print("wharfd: workers = 1, durability = rename, the default digest.  Of a server with a process a session: %d idle "
          "sessions and %d logins.\n" % (Sizes(args.short).forked_idle, Sizes(args.short).forked_logins))


def arguments():
    names = [row.name for row in ROWS]
    peers = {peer.name.lower(): peer for peer in servers.PEERS}
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="only prove that it runs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json")
    parser.add_argument("--row", type=lambda text: text.split(","), default=names)
    parser.add_argument("--peer", type=lambda text: text.split(","))
    args = parser.parse_args()
    for given, known in ((args.row, names), (args.peer or [], peers)):
        for name in given:
            if name not in known:
                parser.error("%s is none of: %s" % (name, " ".join(known)))
    args.peers = [peers[name] for name in args.peer] if args.peer else [p for p in servers.PEERS if p.is_there()]
    for peer in args.peers:
        if not peer.is_there():
            parser.error(peer.name + " is not here (run.sh unpacks it), or we are not root")
    args.rows = [row for row in ROWS if row.name in args.row and (row.verb != "idle" or os.geteuid() == 0)]
    args.rounds = args.rounds or (1 if args.short else 5)
    args.place = next((p for p in ("/dev/shm", wharf.PLACE) if shutil.disk_usage(p).free > 8 << 30), wharf.PLACE)
    return args


def main():
    args = arguments()
    congestion = servers.own_network()
    kinds = [servers.Wharfd] + args.peers
    names = [kind.name for kind in kinds]
    job = Job(args, args.place)
    try:
        job.make()
        figures = compare(args.rows, kinds, args, job)
    finally:
        job.remove()
    result = report.summary(args.rows, figures, names, job.sizes)
    notes(args, congestion)
    report.tell(result, names)
    report.tell_more(result, names)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"date": time.strftime("%Y-%m-%d"), "rounds": args.rounds, "congestion": congestion,
                       "rows": result}, f, indent="\t")


if __name__ == "__main__":
    # SIGTERM too leaves nothing behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        main()
    except Failed as failure:
        raise SystemExit(str(failure))
