# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""What staging, each durability and each digest cost an upload: wharfd with each of them beside Debian's vsftpd, ProFTPD,
ProFTPD with HiddenStores, and Pure-FTPd, in one run and in turns, on tmpfs and on ext4 and XFS on loop devices.  Prints
tables in Markdown and, with --json FILE, writes the figures: CPU of all processes of a server and wall time, for 1 GiB and
for 5,000 files of 4 KiB, and how often the disk was told to flush, which is what sync costs on a disk that takes longer
than this one.

	uploads.py [--short] [--rounds N] [--json FILE] [--row ROW,...] [--disk DISK,...] [--server SERVER,...]
	           [--files N] [--backing FOLDER]

Rows are bulk (one file), and small files: `one` (one session, into one folder), `many` (one session, into 50 folders),
`one-8` and `many-8` (8 sessions).  Disks are tmpfs, ext4 and xfs.  Servers are wharfd's variants, as none-crc32 or
sync-sha256 (durability and digest), and vsftpd, proftpd, proftpd-hidden and pure-ftpd.  Without --server: bulk with all
variants, `one` without the two slow digests, the others with CRC-32.  --backing: where the files behind the loop devices
are; on tmpfs they cost no disk.

Ratios are to wharfd's none-none, which is what writing in place costs, and to each peer: CPU and, behind the slash, wall
time; below 1 is better.  A client that waits for each 226 is what is measured: sessions, not files, are in parallel.  What
the kernel's own threads do for a disk is no server's CPU.  Needs root.

A disk that flushes in no time makes sync look cheap: seconds elsewhere are those here plus flushes times its time for
one."""

import argparse
import contextlib
import json
import os
import pwd
import shutil
import signal
import statistics
import sys
import tempfile
import time

import disks
import servers
from loads import Failed, Load
from report import spread, table
from servers import wharf

GIB, SMALL, FOLDERS = 1 << 30, 4096, 50
DISK_SIZE = 4 << 30
DURABILITIES, DIGESTS, SLOW = ("none", "rename", "sync"), ("none", "crc32", "sha256"), ("sha512", "blake2b")
VARIANTS = ["%s-%s" % (durability, digest) for durability in DURABILITIES for digest in DIGESTS + SLOW]
BASE = "none-none"
PEERS = {"vsftpd": servers.Vsftpd, "proftpd": servers.Proftpd, "proftpd-hidden": servers.ProftpdHidden,
         "pure-ftpd": servers.Pureftpd}

# name: title, sessions, folders (0: one file)
ROWS = {"bulk": ("1 GiB", 1, 0),
        "one": ("%d files of 4 KiB, one session, one folder", 1, 1),
        "many": ("%d files of 4 KiB, one session, 50 folders", 1, FOLDERS),
        "one-8": ("%d files of 4 KiB, 8 sessions, one folder", 8, 1),
        "many-8": ("%d files of 4 KiB, 8 sessions, 50 folders", 8, FOLDERS)}


def variants_of(row):
    if row == "bulk":
        return VARIANTS
    if row == "one":
        return [v for v in VARIANTS if v.split("-")[1] in DIGESTS]
    return [BASE] + ["%s-crc32" % durability for durability in DURABILITIES]


class Place:
    """What the load logs in to: a server's folder on a disk."""

    def __init__(self, name, disk, uid, user, password):
        self.name, self.disk, self.uid, self.user, self.password = name, disk, uid, user, password
        self.root = os.path.join(disk.folder, name)
        os.makedirs(self.root)

    def serve(self, port, meter):
        self.port, self.meter = port, meter

    def clean(self, folders):
        path = os.path.join(self.root, "in")
        shutil.rmtree(path, ignore_errors=True)
        for folder in [path] + [os.path.join(path, str(n)) for n in range(folders) if folders > 1]:
            os.mkdir(folder)
            os.chown(folder, self.uid, self.uid)
        self.disk.settle()

    def check(self, count, size):
        """All are there, whole, and nothing else."""
        sizes = [os.stat(os.path.join(at, name)).st_size for at, _, names in os.walk(os.path.join(self.root, "in"))
                 for name in names]
        if sizes != [size] * count:
            raise Failed("%s did not store what it said that it stored" % self.name)


@contextlib.contextmanager
def metered(server, name, places):
    """The server runs, and its CPU time is measured."""
    meter = servers.Meter(name)
    try:
        server.start()
        meter.take(server.pid)
        for place in places:
            place.serve(server.port, meter)
        yield
    finally:
        try:
            server.stop()
        finally:
            meter.end()


class Wharfd:
    """One daemon for all variants on all disks: each is a user."""

    def __init__(self, names, on, folder):
        users, blocks, self.places = [], [], []
        for disk in on:
            for name in names:
                durability, digest = name.split("-")
                user = wharf.User("%s-%s" % (name, disk.kind), "wonderland", uid=wharf.FIRST_UID + len(users),
                                  root=os.path.join(disk.folder, name))
                self.places.append(Place(name, disk, user.uid, user.name, user.password))
                users.append(user)
                blocks.append('user "%s" {\n\tdurability = %s\n\tdigest = %s\n}' % (user.name, durability, digest))
        self.daemon = wharf.Daemon("root", place=folder, users=users, blocks="\n".join(blocks),
                                   conf='log_level = info\nworkers = 2\npassive_ports = "%d-%d"' % (servers.LOW, servers.HIGH))
        self.port = self.daemon.port

    def start(self):
        self.daemon.start()
        self.pid = self.daemon.pid

    def stop(self):
        problems = self.daemon.stop() if self.daemon.process else []
        self.daemon.remove()
        if problems:
            raise SystemExit("wharfd: " + "; ".join(problems))


class Bench:
    """Servers on disks, and what is uploaded to them."""

    def __init__(self, args):
        self.args = args
        self.size, self.files = (64 << 20, 200) if args.short else (GIB, args.files)
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="wharf-bench-", dir=wharf.PLACE))
            os.chmod(folder, 0o755)
            self.disks = []
            for kind in self.args.disks:
                disk = disks.Disk(kind, (512 << 20) if self.args.short else DISK_SIZE, self.args.backing or folder)
                self.stack.callback(disk.remove)
                self.disks.append(disk)
            self.places = {disk.kind: {} for disk in self.disks}
            self._start(folder)
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _start(self, folder):
        names = [name for name in VARIANTS if name in self.args.servers]
        if names:
            daemon = Wharfd(names, self.disks, folder)
            self._serve(daemon, "uploads", daemon.places)
        for disk in self.disks:
            for name in PEERS:
                if name not in self.args.servers:
                    continue
                kind = PEERS[name]
                place = Place(name, disk, pwd.getpwnam(wharf.ANONYMOUS).pw_uid, kind.user, kind.password)
                self._serve(kind(folder, place.root), "%s-%s" % (name, disk.kind), [place])

    def _serve(self, server, name, places):
        self.stack.enter_context(metered(server, name, places))
        for place in places:
            self.places[place.disk.kind][place.name] = place

    def measure(self, place, row):
        """CPU and wall seconds a GiB or a file, and flushes of the disk."""
        _, sessions, folders = ROWS[row]
        count, size = (self.files, SMALL) if folders else (1, self.size)
        place.clean(folders)
        work = ["put", str(sessions), str(count), str(size), "in/"] + [str(folders)] * (folders > 1)
        with Load(place, False, work) as load:
            cpu, flushes, begin = place.meter.seconds(), place.disk.flushes(), time.monotonic()
            load.go()
            wall, flushes = time.monotonic() - begin, place.disk.flushes() - flushes
            time.sleep(0.1)
            cpu = place.meter.seconds() - cpu
        place.check(count, size)
        place.clean(0)
        scale = count if folders else size / GIB
        return cpu / scale, wall / scale, flushes / count

    def measure_again(self, place, row):
        """The same; where a transfer fails, as one in tens of thousands does with some, that is told, and tried again."""
        for _ in range(3):
            try:
                return self.measure(place, row)
            except Failed as why:
                print("again: %s" % why, file=sys.stderr)
        return self.measure(place, row)

    def run(self):
        """By row, disk and server: a list of figures, one a round."""
        figures = {}
        for turn in range(self.args.rounds):
            for row in self.args.rows:
                for disk in self.disks:
                    wanted = [name for name in self.args.servers
                              if self.args.chosen or name in PEERS or name in variants_of(row)]
                    for name in wanted if turn % 2 == 0 else wanted[::-1]:
                        place = self.places[disk.kind][name]
                        measure = self.measure_again if name in PEERS else self.measure
                        by = figures.setdefault(row, {}).setdefault(disk.kind, {})
                        by.setdefault(name, []).append(measure(place, row))
        return figures


def ratio(ours, theirs, column):
    """Round by round, since the machine may be slower in one than in another."""
    return statistics.median(a[column] / b[column] if b[column] else 1 for a, b in zip(ours, theirs))


def summary(figures):
    """What the JSON has."""
    result = {}
    for row, on in figures.items():
        unit = "GiB" if row == "bulk" else "file"
        result[row] = {"unit": "seconds a " + unit, "disks": {}}
        for disk, by in on.items():
            references = [name for name in [BASE, *PEERS] if name in by]
            result[row]["disks"][disk] = {
                name: {"cpu": [f[0] for f in values], "wall": [f[1] for f in values],
                       "flushes": statistics.median(f[2] for f in values),
                       "ratio": {other: {"cpu": ratio(values, by[other], 0), "wall": ratio(values, by[other], 1)}
                                 for other in references if other != name}}
                for name, values in by.items()}
    return result


def tell(row, disk, by, files):
    """A table of a row on a disk: a line a server."""
    references = [name for name in [BASE, *PEERS] if name in by]
    each, units = ("GiB", (("s", 1), ("s", 1))) if row == "bulk" else ("file", (("µs", 1e6), ("ms", 1e3)))
    title = ROWS[row][0]
    head = ["%s, %s" % (title % files if "%d" in title else title, disk)]
    head += ["%s, %s a %s" % (what, unit, each) for what, (unit, _) in zip(("CPU", "wall"), units)]
    if any(one["flushes"] for one in by.values()):
        head.append("flushes a file")
    lines = []
    for name, one in by.items():
        line = [name] + [spread([value * scale for value in one[what]]) for what, (_, scale) in zip(("cpu", "wall"), units)]
        if len(head) == 4:
            line.append("%.2f" % one["flushes"])
        line += ["%.2f / %.2f" % (one["ratio"][other]["cpu"], one["ratio"][other]["wall"]) if other != name else ""
                 for other in references]
        lines.append(line)
    table(head + ["CPU / wall to " + other for other in references], lines)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="only prove that it runs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--backing")
    there = [kind for kind in disks.MAKE if disks.is_there(kind)]
    can = VARIANTS + [name for name, kind in PEERS.items() if kind.is_there()]
    for what in ("row", "disk", "server"):
        parser.add_argument("--" + what, dest=what + "s", type=lambda text: text.split(","), metavar=what.upper())
    args = parser.parse_args()
    args.chosen = args.servers is not None
    args.rows = args.rows or (["one-8"] if args.short else list(ROWS))
    args.disks = args.disks or there
    args.servers = args.servers or ([BASE, "sync-crc32"] if args.short else can)
    args.rounds = args.rounds or (1 if args.short else 3)
    for given, known in ((args.rows, ROWS), (args.disks, there), (args.servers, can)):
        for name in given:
            if name not in known:
                parser.error("%s is none of: %s" % (name, " ".join(known)))
    return args


def main():
    if os.geteuid() != 0 or not disks.own_mounts():
        print("needs root, and that it may mount")
        sys.exit(77)
    args = arguments()
    # The figures are told before the servers end, whatever is found out then.
    with Bench(args) as job:
        result = summary(job.run())
        for row, of in result.items():
            for disk, by in of["disks"].items():
                tell(row, disk, by, job.files)
        if args.json:
            with open(args.json, "w") as f:
                json.dump({"rounds": args.rounds, "files": job.files, "rows": result}, f, indent="\t")


if __name__ == "__main__":
    # SIGTERM too leaves nothing behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        main()
    except Failed as failure:
        raise SystemExit(str(failure))
