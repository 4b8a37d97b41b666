# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Downloads of files that are not in memory, by sessions that together have less memory for them than they read: an ext4 on
a loop device, and a control group that limits what the server and the page cache of what it reads may take.  Prints a table
in Markdown and, with --json FILE, writes the figures.

	cold.py [--rounds N] [--json FILE] [--peer PEER,...] [--backing FOLDER]

Beside wharfd and the peers, in turns, cat reads the same files in such a group, as many at once.  Of each: how fast it is,
how much was read from the disk for what was sent (above 1 where pages were dropped before they were sent), CPU, and what a
NOOP beside it takes, with the load's own clock.  --backing: where the file behind the loop device is.  Needs root."""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import threading
import time

import disks
import loads
import report
import servers
from bench import CLIENT, SERVER, started
from fairness import PACE, urgent
from loads import Failed, Load
from servers import wharf

MIB = 1 << 20
SESSIONS, ROUNDS_OF_FILES = 8, 3
FILE, LIMIT, DISK = 128 * MIB, 256 * MIB, 1536 * MIB
NOOPS = 1000
GROUPS = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))


class Group:
    """A control group with little memory: one of its own, or, where a process is in no more than one, the meter's."""

    def __init__(self, name, meter=None):
        meters = meter.path if meter else None
        self.is_own = not meters or not os.path.exists(os.path.join(meters, "memory.max"))
        if not self.is_own:
            self._limit(meters, "memory.max")
            return
        for base, limit in GROUPS:
            path = os.path.join(base, "wharf-cold-%d-%s" % (os.getpid(), name.replace(" ", "-")))
            with contextlib.suppress(OSError):
                os.mkdir(path)
                self._limit(path, limit)
                return
            with contextlib.suppress(OSError):
                os.rmdir(path)
        raise SystemExit("memory can't be limited here")

    def _limit(self, path, limit):
        self.path = path
        with open(os.path.join(path, limit), "w") as f:
            f.write(str(LIMIT))

    def take(self, pid):
        for one in wharf.family(pid):
            with contextlib.suppress(ProcessLookupError), open(os.path.join(self.path, "cgroup.procs"), "w") as f:
                f.write(str(one))

    def end(self):
        def gone():
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
            return not os.path.exists(self.path)
        if self.is_own:
            servers.until(gone, 10, "the control group %s is empty" % self.path)


class Files:
    """Files on a disk, and what the disk has to do for them."""

    def __init__(self, disk):
        self.disk = disk
        self.folder = os.path.join(disk.folder, "cold")
        os.mkdir(self.folder)
        for number in range(SESSIONS):
            loads.make(FILE, self.path(number))
        for number in range(SESSIONS, SESSIONS * ROUNDS_OF_FILES):
            os.link(self.path(number % SESSIONS), self.path(number))
        disk.settle()

    def path(self, number):
        return os.path.join(self.folder, str(number))

    def forget(self):
        """None of them is in memory."""
        for number in range(SESSIONS):
            fd = os.open(self.path(number), os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)

    def bytes_read(self):
        with open("/sys/block/%s/stat" % os.path.basename(self.disk.device)) as f:
            return int(f.read().split()[2]) * 512


def figures(files, before, begin):
    sent = SESSIONS * ROUNDS_OF_FILES * FILE
    return {"speed": sent / MIB / (time.monotonic() - begin), "read": (files.bytes_read() - before) / sent}


def cat(files):
    """As many of them at once, each of which reads what a session reads."""
    group = Group("cat")
    try:
        files.forget()
        before, begin = files.bytes_read(), time.monotonic()
        with servers.on(SERVER):
            children = []
            for number in range(SESSIONS):
                # It waits until it is in the group, for what is read belongs to who reads it.
                child = subprocess.Popen(["sh", "-c", "read go; exec cat \"$@\"", "sh"] + [files.path(number)] * ROUNDS_OF_FILES,
                                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
                group.take(child.pid)
                child.stdin.write(b"\n")
                child.stdin.close()
                children.append(child)
        for child in children:
            if child.wait() != 0:
                raise Failed("cat failed")
        return figures(files, before, begin)
    finally:
        group.end()


def serve(kind, args, files):
    with contextlib.ExitStack() as stack:
        # A group can't go before the server has.
        last = stack.enter_context(contextlib.ExitStack())
        server = stack.enter_context(started(kind, args.place))
        group = Group(kind.name, server.meter)
        last.callback(group.end)
        place = os.path.join(server.root, "cold")
        os.mkdir(place)
        subprocess.run(["mount", "--bind", files.folder, place], check=True)
        stack.callback(subprocess.run, ["umount", "-l", place], check=True)
        group.take(server.pid)
        return read(server, files)


def read(server, files):
    work = ["get", str(SESSIONS), str(SESSIONS * ROUNDS_OF_FILES), str(FILE), "cold/"]
    with Load(server, False, work, core=CLIENT) as load, \
            Load(server, False, ["noop", "1", str(NOOPS), str(PACE)], core=CLIENT) as noop:
        urgent(noop.process.pid)
        files.forget()
        before, begin, cpu = files.bytes_read(), time.monotonic(), server.meter.seconds()
        beside = threading.Thread(target=noop.go)
        beside.start()
        try:
            load.go()
            result = figures(files, before, begin)
            result["cpu"] = (server.meter.seconds() - cpu) * 1024 * MIB / (SESSIONS * ROUNDS_OF_FILES * FILE)
        finally:
            beside.join()
        result["noop"] = [us / 1000 for us in noop.times]
        return result


def tell(results):
    lines = []
    for name, known in results.items():
        lines.append([name, report.spread([one["speed"] for one in known]), report.spread([one["read"] for one in known])])
        if "cpu" in known[0]:
            lines[-1] += [report.spread([one["cpu"] for one in known]),
                          " / ".join("%.2f" % statistics.median(column) for column in zip(*(one["noop"] for one in known)))]
        else:
            lines[-1] += ["", ""]
    report.table(["%d readers of cold files" % SESSIONS, "MiB/s", "read for what was sent", "CPU, s/GiB",
                  "NOOP beside: ms, median / p99 / max"], lines)


def arguments():
    peers = {peer.name.lower(): peer for peer in servers.PEERS}
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    parser.add_argument("--peer", type=lambda text: [name for name in text.split(",") if name])
    parser.add_argument("--backing", default=wharf.PLACE)
    args = parser.parse_args()
    for name in args.peer or []:
        if name not in peers:
            parser.error("%s is none of: %s" % (name, " ".join(peers)))
    args.peers = [peer for peer in servers.PEERS if peer.is_there()] if args.peer is None else [peers[n] for n in args.peer]
    args.place = wharf.PLACE
    return args


def main():
    args = arguments()
    if os.geteuid() != 0 or not disks.is_there("ext4") or not disks.own_mounts():
        raise SystemExit("this needs root, a loop device and ext4")
    servers.own_network()
    begin, results = os.getloadavg()[0], {}
    disk = disks.Disk("ext4", DISK, args.backing)
    try:
        files = Files(disk)
        kinds = [servers.Wharfd] + args.peers
        for turn in range(args.rounds):
            for kind in kinds if turn % 2 == 0 else kinds[::-1]:
                results.setdefault(kind.name, []).append(serve(kind, args, files))
            results.setdefault("cat", []).append(cat(files))
    finally:
        disk.remove()
    print("%s; rounds: %d; %d files of %d MiB, %d MiB of memory; server on core %d, load on core %d; load average %.1f before, "
          "%.1f after.\n" % (time.strftime("%Y-%m-%d"), args.rounds, SESSIONS, FILE // MIB, LIMIT // MIB,
                             servers.CORES[SERVER], servers.CORES[CLIENT], begin, os.getloadavg()[0]))
    tell(results)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"date": time.strftime("%Y-%m-%d"), "rounds": args.rounds, "servers": results}, f, indent="\t")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        raise SystemExit(str(failure))
