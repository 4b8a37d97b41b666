# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Whether sessions leave each other their share.  Prints tables in Markdown and, with --json FILE, writes the figures.

	fairness.py [--short] [--rounds N] [--json FILE] [--row ROW,...] [--peer PEER,...]

Latency: a session says NOOP every millisecond, and others move files at full speed beside it: median, 99th percentile and
maximum of all rounds' medians.  wharfd has one worker on one core, the peers are on the same core; the load is on another,
and the session that is measured comes first there, so that it is the server's time that is told.

Shares: what wall time 4 downloads take while others hang in a dead file system, list a large folder and hardly read, or
begin handshakes and leave, beside the time without them, in turns; their share is the ratio of the two."""

import argparse
import collections
import contextlib
import json
import multiprocessing
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import loads
import report
import servers
from bench import CLIENT, SERVER, clean, make_folder, started
from ftp import Ftp
from loads import Busy, Failed, Load
from servers import wharf

MIB = 1 << 20
PACE = 1000  # µs between two NOOPs
FLOODERS = 8

# verb: load.c's, or None for nobody beside; goal: ms that 99 % of the NOOPs may take.
Latency = collections.namedtuple("Latency", "name title verb tls sessions goal")
LATENCIES = [
    Latency("alone", "nobody", None, False, 0, None),
    Latency("get-8", "8 downloads", "get", False, 8, 1),
    Latency("tls-get-8", "8 downloads, TLS", "get", True, 8, 1),
    Latency("put-8", "8 uploads", "put", False, 8, 1),
    Latency("tls-put-8", "8 uploads, TLS", "put", True, 8, 1),
    Latency("get-200", "200 downloads", "get", False, 200, 10),
    Latency("tls-get-200", "200 downloads, TLS", "get", True, 200, 10),
]


class Sizes:
    def __init__(self, short):
        self.short = short
        self.large = 16 * MIB if short else 1024 * MIB
        self.upload = 4 * MIB if short else 64 * MIB
        self.entries = 1000 if short else 100000
        self.noops = 100 if short else 2000
        self.downloads = 4 if short else 16  # of a share
        self.most = 4 if short else 1000     # sessions


def urgent(pid):
    """It runs as soon as it can."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))


def busy(stack, server, row, sizes):
    """Others, that work until the stack ends."""
    sessions = min(row.sessions, sizes.most)
    if row.verb == "get":
        stack.enter_context(Busy(server, row.tls, ["get", str(sessions), "1000000", str(sizes.large), "large"], core=CLIENT))
    elif row.verb == "put":
        folders = [os.path.join(server.root, "in", str(number)) for number in range(sessions)]
        for folder in folders:
            make_folder(folder)
        stop = threading.Event()
        thread = threading.Thread(target=remove_files, args=(folders, stop))
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.set)
        for number in range(sessions):
            stack.enter_context(Busy(server, row.tls, ["put", "1", "1000000", str(sizes.upload), "in/%d/" % number],
                                     core=CLIENT))


def remove_files(folders, stop):
    """What has come is removed, on the load's core: to free memory is a good part of what it costs to write to it, and
    would be the server's if uploads came again under the same name."""
    with servers.on(CLIENT):
        while not stop.wait(0.02):
            for folder in folders:
                for number in sorted(int(name) for name in os.listdir(folder) if name.isdigit())[:-2]:
                    os.unlink(os.path.join(folder, str(number)))


def latency(server, row, sizes):
    """Median, 99th percentile and maximum, in ms."""
    try:
        with contextlib.ExitStack() as stack:
            busy(stack, server, row, sizes)
            with Load(server, row.tls, ["noop", "1", str(sizes.noops), str(PACE)], core=CLIENT) as noop:
                urgent(noop.process.pid)
                noop.go()
        return [us / 1000 for us in noop.times]
    finally:
        if row.verb == "put":
            time.sleep(0.3)  # what was cut off is put away
            clean(server)


@contextlib.contextmanager
def nothing(server, sizes):
    yield


@contextlib.contextmanager
def hanging(server, sizes):
    """One session waits for the bytes of a file, one writes to it, and one asks what a file is."""
    place = os.path.join(server.root, "slow")
    os.makedirs(place, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        gate = os.path.join(folder, "gate")
        open(gate, "w").close()
        subprocess.run([os.path.join(wharf.BUILD, "tests/hangfs"), gate, place, "-o", "allow_other"], check=True)
        stack.callback(subprocess.run, ["umount", "-l", place])
        stack.callback(os.unlink, gate)
        for command in ("RETR slow/stuck", "STOR slow/stuck", "SIZE slow/hung"):
            f = stack.enter_context(session(server))
            if not command.startswith("SIZE"):
                data = stack.enter_context(f.passive())
                f.raw(command.encode() + b"\r\n")
                if command.startswith("STOR"):
                    data.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        data.send(bytes(MIB))
            else:
                f.raw(command.encode() + b"\r\n")
        time.sleep(0.2)
        yield


@contextlib.contextmanager
def listing(server, sizes):
    """A session that takes a thousand bytes of its listing a second time and again, and keeps no more than it must."""
    stop = threading.Event()

    def read(data):
        while not stop.wait(0.01) and data.recv(1000):
            pass

    with session(server) as f, socket.socket() as data:
        f.expect("TYPE I", 200)
        data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        data.connect(f.pasv_address())
        f.expect("MLSD many", 150)
        thread = threading.Thread(target=read, args=(data,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def hello():
    """What a client of TLS says first."""
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return out.read()


def begin_handshakes(port, greeting, count):
    """Each is the server's work and next to none of ours: it signs, and then we leave."""
    while True:
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.recv(1000)
            s.sendall(b"AUTH TLS\r\n")
            s.recv(1000)
            s.sendall(greeting)
            s.recv(4096)
        with count.get_lock():
            count.value += 1


@contextlib.contextmanager
def handshakes(server, sizes):
    count = multiprocessing.Value("L")
    children = [multiprocessing.Process(target=begin_handshakes, args=(server.port, hello(), count), daemon=True)
                for _ in range(FLOODERS)]
    with servers.on(CLIENT):
        for child in children:
            child.start()
    time.sleep(0.2)
    before, begin = count.value, time.monotonic()
    try:
        yield
    finally:
        print("handshakes a second: %.0f" % ((count.value - before) / (time.monotonic() - begin)), file=sys.stderr)
        for child in children:
            child.terminate()
            child.join()


def session(server):
    return Ftp(server.port).login(server.user, server.password)


Share = collections.namedtuple("Share", "name title tls beside")
SHARES = [Share(("tls-" if tls else "") + name, title + (", TLS downloads" if tls else ""), tls, beside)
          for name, title, beside in (("hanging", "a file system that hangs", hanging),
                                      ("listing", "a listing of %d entries that is hardly read", listing),
                                      ("handshakes", "a flood of handshakes", handshakes))
          for tls in (False, True)]


def spin():
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True:
        pass


@contextlib.contextmanager
def awake():
    """The load's core never sleeps.  One that does is woken later and so for more at once, which costs the server less:
    whatever else there is to do on that core would seem to slow the server down."""
    with servers.on(CLIENT):
        child = multiprocessing.Process(target=spin, daemon=True)
        child.start()
    try:
        yield
    finally:
        child.terminate()
        child.join()


def share(server, row, beside, sizes):
    """The seconds that downloads take."""
    count = sizes.downloads if not row.tls else max(4, sizes.downloads // 2)
    with Load(server, row.tls, ["get", "4", str(count), str(sizes.large), "large"], core=CLIENT) as load, awake(), \
            beside(server, sizes):
        urgent(load.process.pid)
        begin = time.monotonic()
        load.go()
        return time.monotonic() - begin


def prepare(server, sizes, large):
    os.link(large, os.path.join(server.root, "large"))
    os.mkdir(os.path.join(server.root, "many"))
    for number in range(sizes.entries):
        os.close(os.open(os.path.join(server.root, "many", "file-%06d" % number), os.O_CREAT | os.O_WRONLY, 0o644))
    clean(server)


def can_hang():
    return os.geteuid() == 0 and os.path.exists("/dev/fuse") and os.path.exists(os.path.join(wharf.BUILD, "tests/hangfs"))


def measure_latencies(args, kinds, sizes, large):
    figures = {}
    for turn in range(args.rounds):
        for kind in kinds if turn % 2 == 0 else kinds[::-1]:
            with started(kind, args.place, lambda server: prepare(server, sizes, large)) as server:
                for row in (row for row in LATENCIES if row.name in args.row):
                    try:
                        value = latency(server, row, sizes)
                    except Failed as why:
                        if kind is servers.Wharfd:
                            raise
                        print("%s: %s" % (row.name, why), file=sys.stderr)
                        value = None
                    figures.setdefault(row.name, {}).setdefault(kind.name, []).append(value)
    return figures


def measure_shares(args, sizes, large):
    """By row: pairs of seconds, without others and beside them."""
    figures = {}
    rows = [row for row in SHARES if row.name in args.row and (row.beside is not hanging or can_hang())]
    if not rows:
        return figures
    with started(servers.Wharfd, args.place, lambda server: prepare(server, sizes, large)) as server:
        # Of what hangs the agent is said to be silent.
        server.daemon.expected += ["agent", "file"]
        for _ in range(args.rounds):
            for row in rows:
                figures.setdefault(row.name, []).append([share(server, row, beside, sizes)
                                                         for beside in (nothing, row.beside)])
    return figures


def tell_latencies(figures, names):
    lines = []
    for row in (row for row in LATENCIES if row.name in figures):
        cells = []
        for name in names:
            known = [value for value in figures[row.name].get(name, []) if value]
            cells.append(" / ".join("%.2f" % statistics.median(column) for column in zip(*known)) or "–")
        ours = statistics.median(value[1] for value in figures[row.name][names[0]])
        lines.append([row.title, "≤ %g" % row.goal if row.goal else "",
                      "" if not row.goal else "met" if ours <= row.goal else "**missed**"] + cells)
    report.table(["NOOP beside: ms, median / p99 / max", "p99", ""] + names, lines)


def tell_shares(figures, sizes):
    lines = []
    for row in (row for row in SHARES if row.name in figures):
        ratios = [without / beside for without, beside in figures[row.name]]
        lines.append([row.title % sizes.entries if "%" in row.title else row.title,
                      "met" if statistics.median(ratios) >= 0.9 else "**missed**", report.spread(ratios)]
                     + [report.spread(column) for column in zip(*figures[row.name])])
    report.table(["4 downloads beside", "≥ 0.9", "share", "alone, s", "beside, s"], lines)


def arguments():
    peers = {peer.name.lower(): peer for peer in servers.PEERS}
    names = [row.name for row in LATENCIES + SHARES]
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="only prove that it runs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json")
    parser.add_argument("--row", type=lambda text: text.split(","), default=names)
    parser.add_argument("--peer", type=lambda text: [name for name in text.split(",") if name])
    args = parser.parse_args()
    for given, known in ((args.row, names), (args.peer or [], peers)):
        for name in given:
            if name not in known:
                parser.error("%s is none of: %s" % (name, " ".join(known)))
    if args.peer is None:
        args.peers = [] if args.short else [peer for peer in servers.PEERS if peer.is_there()]
    else:
        args.peers = [peers[name] for name in args.peer]
    args.rounds = args.rounds or (1 if args.short else 3)
    args.place = next((p for p in ("/dev/shm", wharf.PLACE) if shutil.disk_usage(p).free > 6 << 30), wharf.PLACE)
    return args


def main():
    args = arguments()
    sizes = Sizes(args.short)
    congestion = servers.own_network()
    kinds = [servers.Wharfd] + args.peers
    names = [kind.name for kind in kinds]
    begin = os.getloadavg()[0]
    folder = tempfile.mkdtemp(prefix="wharf-fair-", dir=args.place)
    try:
        large = os.path.join(folder, "large")
        loads.make(sizes.large, large)
        latencies = measure_latencies(args, kinds, sizes, large)
        shares = measure_shares(args, sizes, large)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%s; rounds: %d; server on core %d, load on core %d; loopback, %s; load average %.1f before, %.1f after.\n" % (
        time.strftime("%Y-%m-%d"), args.rounds, servers.CORES[SERVER], servers.CORES[CLIENT], congestion, begin,
        os.getloadavg()[0]))
    if latencies:
        tell_latencies(latencies, names)
    if shares:
        tell_shares(shares, sizes)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"date": time.strftime("%Y-%m-%d"), "rounds": args.rounds, "latencies": latencies, "shares": shares}, f,
                      indent="\t")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        raise SystemExit(str(failure))
