# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Whether a session costs the same however many there are.  Prints tables in Markdown and, with --json FILE, writes the
figures.

	scale.py [--json FILE] [--sessions N,...] [--moving N] [--idle SECONDS]

Each count of sessions has a server of its own, on one core, and the load on another; all are logged in over TLS 1.3.  There
are four workers, since one may not have descriptors for so many.  Memory is PSS of all processes, less what it was without sessions; CPU is of all processes; login times are from
the connect to the end of the login, 16 at once while all log in, and then 8 at once beside all that are there.  The second
table has as many sessions, of which some download over TLS without end.  Needs root."""

import argparse
import contextlib
import json
import os
import shutil
import tempfile
import time

import loads
import report
import servers
from bench import CLIENT, SERVER, started
from fairness import PACE, urgent
from loads import Busy, Failed, Load
from servers import wharf

GIB = 1 << 30
LOGINS, NOOPS = 400, 1000
PROCESS = 10000  # sessions of one process of the load
SETTLE = 2
PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"


class Wharfd(servers.Wharfd):
    sessions, workers = 24000, 4


@contextlib.contextmanager
def crowd(server, count):
    """Sessions that are there; yields the slowest load's median and 99th percentile of their logins, in ms."""
    with contextlib.ExitStack() as stack:
        parts = [PROCESS] * (count // PROCESS) + [count % PROCESS] * (count % PROCESS > 0)
        those = [stack.enter_context(Load(server, True, ["idle", str(part)], core=CLIENT, settle=0)) for part in parts]
        time.sleep(SETTLE)
        yield [max((load.logins[i] for load in those), default=0) / 1000 for i in range(2)]


def logins(server):
    """CPU µs each, median and 99th percentile in ms, beside whatever there is."""
    with Load(server, True, ["login", "8", str(LOGINS)], core=CLIENT) as load:
        before = server.meter.seconds()
        load.go()
        cpu = server.meter.seconds() - before
    return cpu / LOGINS * 1e6, load.times[0] / 1000, load.times[1] / 1000


def rest(args, count):
    """What sessions cost that do nothing but be there."""
    with started(Wharfd, args.place) as server:
        memory, cpu = server.meter.pss(), server.meter.seconds()
        with crowd(server, count) as (p50, p99):
            result = {"login cpu": (server.meter.seconds() - cpu) / count * 1e6,
                      "memory": (server.meter.pss() - memory) / count / 1024,
                      "p50": p50, "p99": p99}
            cpu = server.meter.seconds()
            time.sleep(args.idle)
            result["idle cpu"] = (server.meter.seconds() - cpu) / args.idle * 1e3
            result["one more cpu"], result["one more p50"], result["one more p99"] = logins(server)
            return result


def move(args, count, large):
    """The same while some of them move files."""
    with started(Wharfd, args.place, lambda server: os.link(large, os.path.join(server.root, "large"))) as server, \
            contextlib.ExitStack() as stack:
        memory = server.meter.pss()
        stack.enter_context(crowd(server, count - args.moving))
        stack.enter_context(Busy(server, True, ["get", str(args.moving), "1000000", str(GIB), "large"], core=CLIENT))
        time.sleep(SETTLE)
        cpu, begin = server.meter.seconds(), time.monotonic()
        result = {"memory": (server.meter.pss() - memory) / count / 1024}
        _, result["one more p50"], result["one more p99"] = logins(server)
        with Load(server, True, ["noop", "1", str(NOOPS), str(PACE)], core=CLIENT) as noop:
            urgent(noop.process.pid)
            noop.go()
        result["noop p50"], result["noop p99"] = noop.times[0] / 1000, noop.times[1] / 1000
        result["cpu"] = (server.meter.seconds() - cpu) / (time.monotonic() - begin)
        return result


def tell(head, columns, figures):
    report.table(head, [[str(count)] + [("%.2f" if figure[column] < 20 else "%.0f") % figure[column] for column in columns]
                        for count, figure in figures.items()])


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--sessions", type=lambda text: [int(n) for n in text.split(",")],
                        default=[100, 1000, 5000, 10000, 20000])
    parser.add_argument("--moving", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=10)
    args = parser.parse_args()
    args.place = next((p for p in ("/dev/shm", wharf.PLACE) if shutil.disk_usage(p).free > 4 << 30), wharf.PLACE)
    return args


def main():
    args = arguments()
    if os.geteuid() != 0:
        raise SystemExit("this needs root, for so many descriptors and for control groups")
    servers.own_network()
    with open(PORT_RANGE, "w") as f:
        f.write("27000 60999")
    begin = os.getloadavg()[0]
    folder = tempfile.mkdtemp(prefix="wharf-scale-", dir=args.place)
    try:
        large = os.path.join(folder, "large")
        loads.make(GIB, large)
        resting = {count: rest(args, count) for count in args.sessions}
        moving = {count: move(args, count, large) for count in args.sessions if count >= args.moving}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%s; server on core %d, load on core %d; load average %.1f before, %.1f after.\n" % (
        time.strftime("%Y-%m-%d"), servers.CORES[SERVER], servers.CORES[CLIENT], begin, os.getloadavg()[0]))
    tell(["TLS sessions", "KiB of PSS each", "login, CPU µs", "p50, ms", "p99, ms", "all idle, CPU ms a second",
          "one more login, CPU µs", "p50, ms", "p99, ms"],
         ["memory", "login cpu", "p50", "p99", "idle cpu", "one more cpu", "one more p50", "one more p99"], resting)
    tell(["TLS sessions, %d of them download" % args.moving, "KiB of PSS each", "CPU of the core", "one more login, p50, ms",
          "p99, ms", "NOOP, p50, ms", "p99, ms"],
         ["memory", "cpu", "one more p50", "one more p99", "noop p50", "noop p99"], moving)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"date": time.strftime("%Y-%m-%d"), "resting": resting, "moving": moving}, f, indent="\t")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        raise SystemExit(str(failure))
