# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""wharfd beside Debian's vsftpd, ProFTPD and Pure-FTPd in one run, in turns A B C D, D C B A, ...: CPU seconds of all
processes of each server for 1 GiB and for 2,000 files of 4 KiB (8 sessions), down and up, plain and over TLS 1.3 (AES-128-GCM),
where data connections resume the session of their control connection if the server lets them; and what an idle session
costs wharfd in memory (the sum of PSS over all its processes, divided).  Prints tables in Markdown and, with --json
FILE, writes the figures.

	bench.py [--short] [--rounds N] [--json FILE] [--row ROW,...] [--peer PEER,...] [--memory-sessions N] [--no-memory]

Rows are get, put, get-small, put-small, idle, and the same with tls- before it.  Peers are vsftpd, proftpd and
pure-ftpd; without --peer all that are installed or unpacked (run.sh does that).

CPU time is the cpuacct control group's, which counts children that have ended too, so it needs root; without it, it is
the sum over the processes that live, and the peers and the rows of memory are left out: peers need root to serve, and
only root sees the memory of processes that can't be dumped."""

import argparse
import collections
import json
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import servers  # noqa: E402
from servers import wharf  # noqa: E402

LOAD = os.path.join(wharf.BUILD, "tests/load")
GIB, SMALL = 1 << 30, 4096

# A row that moves files: its name, whether over TLS, what the load does.
Row = collections.namedtuple("Row", "name tls verb small")
ROWS = [Row(name="tls-" * tls + verb + "-small" * small, tls=tls, verb=verb, small=small)
        for tls in (False, True) for small in (False, True) for verb in ("get", "put")]
# Rows of memory: how many sessions, and of these in the short form.
IDLE = {"idle": (10000, 200), "tls-idle": (2000, 100)}


def title(row):
    return "%s%s %s" % ("TLS 1.3 " * row.tls, "4 KiB files" if row.small else "bulk",
                        {"get": "down", "put": "up"}[row.verb])


class Failed(Exception):
    """A transfer or a login did not succeed."""


class Load:
    """The load generator on a server: all its sessions are logged in, and wait, while the block begins; with the end of
    the block they leave."""

    def __init__(self, server, tls, work):
        self.argv = [LOAD] + ["-t"] * tls + [str(server.port), server.user, server.password] + work
        self.what = "%s: %s" % (server.name, " ".join(self.argv[1:]))

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed("%s: %s" % (self.what, self.process.stderr.read().strip()))
        return line

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self._line()
        time.sleep(0.2)
        return self

    def go(self):
        """What the generator says when the work is done."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._line()

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


class Job:
    """What is moved in this run, and the figures of one move in a unit that does not depend on how much it was."""

    def __init__(self, short, place):
        self.large, self.count = (64 << 20, 100) if short else (GIB, 2000)
        self.folder = tempfile.mkdtemp(prefix="wharf-load-", dir=place)

    def make(self):
        subprocess.run([LOAD, "make", str(self.large), self.path("large")], check=True)
        subprocess.run([LOAD, "make", str(SMALL), self.path("small")], check=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def prepare(self, server):
        """What is downloaded, as links: the page cache is the same for all; and a folder that takes uploads."""
        os.link(self.path("large"), os.path.join(server.root, "large"))
        os.mkdir(os.path.join(server.root, "small"))
        for number in range(self.count):
            os.link(self.path("small"), os.path.join(server.root, "small", str(number)))
        self.clean(server)

    @staticmethod
    def clean(server):
        folder = os.path.join(server.root, "in")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(wharf.ANONYMOUS)
            os.chown(folder, owner.pw_uid, owner.pw_gid)

    def load(self, row):
        name = "in/" if row.verb == "put" else "small/" if row.small else "large"
        return [row.verb] + (["8", str(self.count), str(SMALL)] if row.small else ["1", "1", str(self.large)]) + [name]

    def unit(self, row):
        return ("µs a file", self.count / 1e6) if row.small else ("s/GiB", self.large / GIB)

    def measure(self, server, row):
        """CPU and wall time in the row's unit, and the share of data connections that resumed a session."""
        with Load(server, row.tls, self.load(row)) as load:
            before, begin = server.meter.seconds(), time.monotonic()
            connections, resumed = (int(n) for n in load.go().split()[:2])
            wall = time.monotonic() - begin
            time.sleep(0.2)
            cpu = server.meter.seconds() - before
        if row.verb == "put":
            self.check(server, row)
            self.clean(server)
        scale = self.unit(row)[1]
        return cpu / scale, wall / scale, resumed / connections

    def measure_peer(self, server, row):
        """The same; where a peer fails once in tens of thousands of transfers, that is told, and it is tried again."""
        for _ in range(3):
            try:
                return self.measure(server, row)
            except Failed as why:
                print("again: %s" % why, file=sys.stderr)
                self.clean(server)
        return self.measure(server, row)

    def check(self, server, row):
        folder = os.path.join(server.root, "in")
        sizes = [entry.stat().st_size for entry in os.scandir(folder)]
        if sizes != ([SMALL] * self.count if row.small else [self.large]):
            raise Failed("%s: %s did not store what it said that it stored" % (row.name, server.name))

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def compare(rows, kinds, rounds, job, place):
    """By row and by server: a list of figures, one a round."""
    figures = {row: {kind.name: [] for kind in kinds} for row in rows}
    running = []
    try:
        for kind in kinds:
            server = kind(place)
            running.append(server)
            server.meter = servers.Meter(kind.name)
            job.prepare(server)
            server.start()
            server.meter.take(server.pid)
        for turn in range(rounds):
            for row in rows:
                for server in running if turn % 2 == 0 else running[::-1]:
                    measure = job.measure if server is running[0] else job.measure_peer
                    figures[row][server.name].append(measure(server, row))
    finally:
        for server in running:
            server.stop()
            server.meter.end()
    return figures


def spread(values):
    middle, low, high = statistics.median(values), min(values), max(values)
    form = "%.0f" if middle >= 20 else "%.3f"
    return form % middle if low == high else "%s (%s–%s)" % tuple(form % v for v in (middle, low, high))


def table(head, lines):
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for line in lines:
        print("| " + " | ".join(line) + " |")
    print()


def summary(figures, names, job):
    """What the JSON has of the rows."""
    result = {}
    for row, by in figures.items():
        columns = {name: list(zip(*by[name])) for name in names}
        result[row.name] = {
            "unit": job.unit(row)[0], "cpu": {name: columns[name][0] for name in names},
            "wall": {name: columns[name][1] for name in names},
            "resumed": {name: statistics.mean(columns[name][2]) for name in names} if row.tls else None,
            # Round by round, since the machine may be slower in one than in another.
            "ratio": {name: statistics.median(a / b for a, b in zip(columns[names[0]][0], columns[name][0]))
                      for name in names[1:]}}
    return result


def tell(rows, result, names, job):
    """One table of CPU time with the ratios, one of wall time and resumption.  wharfd is the first name."""
    ours, peers = names[0], names[1:]
    head = ["CPU: median (least–most); ratios: median of rounds", ours]
    for peer in peers:
        head += [peer, "%s / %s" % (ours, peer)]
    lines, others = [], []
    for row in rows:
        r = result[row.name]
        what = "%s, %s" % (title(row), r["unit"])
        line = [what, spread(r["cpu"][ours])]
        for peer in peers:
            line += [spread(r["cpu"][peer]), "%.2f" % r["ratio"][peer]]
        lines.append(line)
        resumed = {name: ", %.0f %%" % (100 * r["resumed"][name]) if row.tls else "" for name in names}
        others.append([what] + [spread(r["wall"][name]) + resumed[name] for name in names])
    table(head, lines)
    table(["wall time; data connections that resumed"] + names, others)


def pss(pids):
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total * 1024


def memory(name, sessions, place):
    server = servers.Wharfd(place, sessions + 10)
    server.start()
    try:
        before = pss(server.daemon.processes())
        with Load(server, name.startswith("tls"), ["idle", str(sessions)]):
            time.sleep(1)
            after = pss(server.daemon.processes())
            count = len(server.daemon.processes())
    finally:
        server.stop()
    return {"sessions": sessions, "processes": count, "pss_before": before, "pss": after,
            "pss_per_session": round(after / sessions), "growth_per_session": round((after - before) / sessions)}


def tell_memory(result):
    table(["idle sessions", "processes", "PSS in all, MiB", "bytes a session", "of these over the empty server"],
          [["%d%s" % (m["sessions"], ", TLS 1.3" * name.startswith("tls")), str(m["processes"]), "%.1f" % (m["pss"] / 2**20),
            str(m["pss_per_session"]), str(m["growth_per_session"])] for name, m in result.items()])


def arguments():
    names = [row.name for row in ROWS] + list(IDLE)
    peers = {peer.name.lower(): peer for peer in servers.PEERS}
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="only prove that it runs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json")
    parser.add_argument("--row", type=lambda text: text.split(","), default=names)
    parser.add_argument("--peer", type=lambda text: text.split(","))
    parser.add_argument("--memory-sessions", type=int)
    parser.add_argument("--no-memory", action="store_true")
    args = parser.parse_args()
    for given, known in ((args.row, names), (args.peer or [], peers)):
        for name in given:
            if name not in known:
                parser.error("%s is none of: %s" % (name, " ".join(known)))
    args.peers = [peers[name] for name in args.peer] if args.peer else [p for p in servers.PEERS if p.is_there()]
    for peer in args.peers:
        if not peer.is_there():
            parser.error(peer.name + " is not here (run.sh unpacks it), or we are not root")
    args.no_memory |= os.geteuid() != 0
    args.rounds = args.rounds or (1 if args.short else 5)
    return args


def main():
    args = arguments()
    place = next((p for p in ("/dev/shm", wharf.PLACE) if shutil.disk_usage(p).free > 6 << 30), wharf.PLACE)
    rows = [row for row in ROWS if row.name in args.row]
    kinds = [servers.Wharfd] + args.peers
    names = [kind.name for kind in kinds]
    result = {"rounds": args.rounds, "rows": {}, "memory": {}}
    if rows:
        job = Job(args.short, place)
        try:
            job.make()
            figures = compare(rows, kinds, args.rounds, job, place)
        finally:
            job.remove()
        result["rows"] = summary(figures, names, job)
        tell(rows, result["rows"], names, job)
    for name in [] if args.no_memory else [name for name in IDLE if name in args.row]:
        sessions = args.memory_sessions or IDLE[name][args.short]
        result["memory"][name] = memory(name, sessions, place)
    if result["memory"]:
        tell_memory(result["memory"])
    if args.json:
        with open(args.json, "w") as f:
            json.dump(result, f, indent="\t")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        raise SystemExit(str(failure))
