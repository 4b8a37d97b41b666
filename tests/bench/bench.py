# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""wharfd beside Debian's vsftpd in one run, in turns A B A B: CPU seconds of all processes of the server for

	1 GiB down, 1 GiB up, 2,000 files of 4 KiB down, and up (8 sessions)

and what an idle session costs in memory (wharfd alone: 10,000 sessions on two workers, the sum of PSS over all
processes, divided).  Prints a table in Markdown and, with --json FILE, the figures.

	bench.py [--short] [--rounds N] [--json FILE] [--memory-sessions N] [--no-memory]

CPU time is the cpuacct control group's, which counts children that have ended too, so it needs root; without it, it is
the sum over the processes that live (and vsftpd is left out: it needs root to serve)."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import until  # noqa: E402

LOAD = os.path.join(wharf.BUILD, "tests/load")
TICK = os.sysconf("SC_CLK_TCK")
GROUPS = "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"


class Meter:
    """The CPU time of whatever is started by it."""

    def __init__(self, name):
        self.path = self.file = None
        for base in GROUPS:
            for usage in ("cpuacct.usage", "cpu.stat"):
                if os.path.exists(os.path.join(base, usage)) and os.geteuid() == 0:
                    path = os.path.join(base, "wharf-bench-%d-%s" % (os.getpid(), name))
                    try:
                        os.mkdir(path)
                    except OSError:
                        continue
                    if os.path.exists(os.path.join(path, usage)):
                        self.path, self.file = path, os.path.join(path, usage)
                        return
                    os.rmdir(path)

    def take(self, pid):
        """The process and all that it has started and will start."""
        self.pid = pid
        if self.path:
            for one in wharf.family(pid):
                try:
                    with open(os.path.join(self.path, "cgroup.procs"), "w") as f:
                        f.write(str(one))
                except ProcessLookupError:
                    pass  # it ended meanwhile

    def seconds(self):
        if self.file:
            with open(self.file) as f:
                text = f.read()
            if self.file.endswith("cpu.stat"):
                return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6
            return int(text) / 1e9
        total = 0
        for pid in wharf.family(self.pid):
            fields = wharf.stat_of(pid)
            if fields:
                total += sum(int(f) for f in fields[11:15])
        return total / TICK

    def end(self):
        if self.path:
            try:
                until(lambda: self._rmdir(), 5)
            except AssertionError:
                pass

    def _rmdir(self):
        try:
            os.rmdir(self.path)
            return True
        except OSError:
            return False


class Wharfd:
    name = "wharfd"

    def __init__(self, place, sessions=64):
        mode = "root" if os.geteuid() == 0 else "user"
        self.daemon = wharf.Daemon(
            mode, place=place, ports=120, users=[],
            conf="sources = {anonymous}\nlog_level = info\nworkers = 2\nmax_sessions = %d\nmax_sessions_per_address = %d"
                 % (sessions, sessions),
            blocks='user "anonymous" {\n\trights = {read, write, overwrite, delete, rename, mkdir, list}\n}')
        text = open(self.daemon.conf_path).read().replace("sources = {users, anonymous}\n", "")
        self.daemon.write_conf(text)
        self.root = self.daemon.anonymous_root

    def start(self):
        self.daemon.start()
        self.pid, self.port = self.daemon.pid, self.daemon.port

    def stop(self):
        problems = self.daemon.stop()
        self.daemon.remove()
        if problems:
            raise SystemExit("; ".join(problems))


class Vsftpd:
    name = "vsftpd"

    def __init__(self, place):
        self.folder = tempfile.mkdtemp(prefix="wharf-vsftpd-", dir=place)
        os.chmod(self.folder, 0o755)
        self.root = os.path.join(self.folder, "srv")
        self.ports = wharf.Ports(120)
        self.port = self.ports.first
        os.makedirs(self.root)
        os.makedirs(os.path.join(self.folder, "empty"))
        self.conf = os.path.join(self.folder, "vsftpd.conf")
        with open(self.conf, "w") as f:
            f.write("\n".join(("listen=YES", "listen_address=127.0.0.1", "listen_port=%d" % self.port, "background=NO",
                               "anonymous_enable=YES", "ftp_username=" + wharf.ANONYMOUS, "anon_root=" + self.root,
                               "write_enable=YES", "anon_upload_enable=YES", "anon_mkdir_write_enable=YES",
                               "anon_other_write_enable=YES", "anon_umask=022", "connect_from_port_20=NO",
                               "secure_chroot_dir=%s/empty" % self.folder, "pasv_min_port=%d" % (self.port + 4),
                               "pasv_max_port=%d" % self.ports.last, "xferlog_enable=YES",
                               "xferlog_file=%s/xferlog" % self.folder, "max_per_ip=0", "max_clients=0", "")))

    def start(self):
        self.process = subprocess.Popen(["vsftpd", self.conf], stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        until(lambda: subprocess.run([LOAD, str(self.port), "anonymous", "x", "get", "1", "0", "x"],
                                     stderr=subprocess.DEVNULL).returncode == 0, 10, "vsftpd accepts")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.ports.release()


def prepare(server, large):
    """What is downloaded, and a folder that takes uploads."""
    with open(os.path.join(server.root, "large"), "wb") as f:
        block = os.urandom(1 << 20)
        for _ in range(large >> 20):
            f.write(block)
    for name in ("small", "in"):
        os.mkdir(os.path.join(server.root, name))
    return server


def rows(large, count):
    return (("1 GiB down", ["get", "1", "1", "large"]),
            ("1 GiB up", ["put", "1", "1", str(large), "in/large"]),
            ("%d files of 4 KiB up" % count, ["put", "8", str(count), "4096", "small/"]),
            ("%d files of 4 KiB down" % count, ["get", "8", str(count), "small/"]))


def measure(server, meter, load):
    for name in ("in/large",) if load[-1] == "in/large" else ():
        path = os.path.join(server.root, name)
        if os.path.exists(path):
            os.unlink(path)
    if load[0] == "put" and load[-1] == "small/":
        shutil.rmtree(os.path.join(server.root, "small"))
        os.mkdir(os.path.join(server.root, "small"))
        writable(server)
    before, begin = meter.seconds(), time.monotonic()
    subprocess.run([LOAD, str(server.port), "anonymous", "x"] + load, check=True)
    wall = time.monotonic() - begin
    time.sleep(0.2)
    return meter.seconds() - before, wall


def writable(server):
    import pwd
    for name in ("small", "in"):
        if os.geteuid() == 0:
            owner = pwd.getpwnam(wharf.ANONYMOUS)
            os.chown(os.path.join(server.root, name), owner.pw_uid, owner.pw_gid)


def compare(args, place):
    large, count = (64 << 20, 100) if args.short else (1 << 30, 2000)
    kinds = [Wharfd, Vsftpd] if os.geteuid() == 0 and shutil.which("vsftpd") else [Wharfd]
    figures = {what: {kind.name: [] for kind in kinds} for what, _ in rows(large, count)}
    servers = []
    try:
        for kind in kinds:
            server = prepare(kind(place), large)
            writable(server)
            server.meter = Meter(kind.name)
            server.start()
            server.meter.take(server.pid)
            servers.append(server)
        for turn in range(args.rounds):
            for what, load in rows(large, count):
                for server in servers if turn % 2 == 0 else servers[::-1]:
                    figures[what][server.name].append(measure(server, server.meter, load))
    finally:
        for server in servers:
            server.stop()
            server.meter.end()
    return figures


def pss(pids):
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total * 1024


def memory(sessions, place):
    server = Wharfd(place, sessions + 10)
    server.start()
    try:
        before = pss(server.daemon.processes())
        load = subprocess.Popen([LOAD, str(server.port), "anonymous", "x", "idle", str(sessions)],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if load.stdout.readline().strip() != "ready":
            raise SystemExit("the idle sessions did not all log in")
        time.sleep(1)
        after = pss(server.daemon.processes())
        count = len(server.daemon.processes())
        load.stdin.close()
        load.wait()
    finally:
        server.stop()
    return {"sessions": sessions, "processes": count, "pss_before": before, "pss": after,
            "pss_per_session": round(after / sessions), "growth_per_session": round((after - before) / sessions)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="only prove that it runs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json")
    parser.add_argument("--memory-sessions", type=int)
    parser.add_argument("--no-memory", action="store_true")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.short else 5)
    place = next((p for p in ("/dev/shm", wharf.PLACE) if shutil.disk_usage(p).free > 6 << 30), wharf.PLACE)

    figures = compare(args, place)
    result = {"rounds": args.rounds, "rows": {}}
    print("| work | wharfd CPU s | vsftpd CPU s | wharfd / vsftpd | wharfd wall s | vsftpd wall s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for what, by in figures.items():
        middle = {n: [statistics.median(v[i] for v in runs) for i in (0, 1)] for n, runs in by.items()}
        ours, theirs = middle["wharfd"], middle.get("vsftpd")
        ratio = ours[0] / theirs[0] if theirs and theirs[0] else None
        print("| %s | %.3f | %s | %s | %.2f | %s |" % (
            what, ours[0], "%.3f" % theirs[0] if theirs else "-", "%.2f" % ratio if ratio else "-", ours[1],
            "%.2f" % theirs[1] if theirs else "-"))
        result["rows"][what] = {"cpu": {n: [v[0] for v in runs] for n, runs in by.items()},
                                "wall": {n: [v[1] for v in runs] for n, runs in by.items()}, "ratio": ratio}
    if not args.no_memory:
        sessions = args.memory_sessions or (200 if args.short else 10000)
        result["memory"] = m = memory(sessions, place)
        print("\n%d idle sessions, %d processes: %.1f MiB of PSS in all, %d bytes a session (%d over the empty server)"
              % (m["sessions"], m["processes"], m["pss"] / 2**20, m["pss_per_session"], m["growth_per_session"]))
    if args.json:
        with open(args.json, "w") as f:
            json.dump(result, f, indent="\t")


if __name__ == "__main__":
    main()
