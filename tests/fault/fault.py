# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Disks that are full and file systems that hang."""

import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import wharf  # noqa: E402
from cases import Skip, case, check, main  # noqa: E402


class Mount:
    """A file system of its own at a place in the user's folder."""

    def __init__(self, argv, path, unmount):
        self.argv, self.path, self.unmount = argv, path, unmount

    def __enter__(self):
        os.makedirs(self.path, exist_ok=True)
        done = subprocess.run(self.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Skip("can't be mounted here: " + done.stdout.strip())
        return self

    def __exit__(self, *_):
        subprocess.run(self.unmount + [self.path], stderr=subprocess.DEVNULL)


def full_disk(d, size="1m"):
    path = d.path("disk")
    return Mount(["mount", "-t", "tmpfs", "-o", "size=%s,mode=1777" % size, "tmpfs", path], path, ["umount", "-l"])


@case("T01", "a disk that fills up: 452, never 226, and the service lives", modes=("root",))
def full(mode):
    with wharf.Daemon(mode) as d, d.steady(), full_disk(d), d.login() as f:
        f.put("disk/small", b"fits")
        r = f.write("STOR disk/large", os.urandom(3 << 20))
        check(r.code in (451, 452, 552), r)
        f.cmd("DELE disk/large")
        f.cmd("TYPE A")
        r = f.write("STOR disk/text", b"line\r\n" * 600000)
        check(r.code in (451, 452, 552), r)
        f.cmd("TYPE I")
        f.cmd("DELE disk/text")
        r = f.cmd("SITE COPY disk/small disk/copy")
        check(r.code in (200, 250), r)
        check(f.get("RETR disk/small") == b"fits")
        f.put("elsewhere", b"fits")


@case("T02", "ALLO tells in time that there is no room", modes=("root",))
def allo(mode):
    with wharf.Daemon(mode) as d, full_disk(d), d.login() as f:
        f.expect("CWD disk", 250)
        check(f.cmd("ALLO 100").code in (200, 202))
        check(f.cmd("ALLO 1000000000").code in (552, 452, 202))
        free = int(f.expect("AVBL", 213).text)
        check(free <= 1 << 20, free)


def hanging(d, gate):
    program = os.path.join(wharf.BUILD, "tests/hangfs")
    if not os.path.exists(program):
        raise Skip("libfuse3 was not there when the tests were built")
    if not os.path.exists("/dev/fuse"):
        raise Skip("there is no /dev/fuse here")
    path = d.path("slow")
    return Mount([program, gate, path, "-o", "allow_other"], path, ["umount", "-l"])


@case("T03", "a file system that hangs stalls its own session, and no other", modes=("root",))
def hangs(mode):
    users = [wharf.User("alice", "a"), wharf.User("bob", "b")]
    with tempfile.TemporaryDirectory() as folder:
        gate = os.path.join(folder, "gate")
        with wharf.Daemon(mode, users=users, conf="workers = 1\nagent_timeout = 3s",
                          blocks='user "alice" {\n\tstall_timeout = 4s\n}', expect=["agent", "disk", "file"]) as d, \
                hanging(d, gate):
            open(gate, "w").close()
            try:
                for command in ("RETR slow/stuck", "STOR slow/stuck", "SIZE slow/hung", "RETR slow/hung"):
                    stalls(d, command)
            finally:
                os.unlink(gate)
            with d.login("alice") as f:
                check(f.get("RETR slow/quick") == b"q" * (8 << 20))
                check(f.get("RETR slow/stuck") == b"q" * (8 << 20))


def stalls(d, command):
    alice, bob = d.login("alice"), d.login("bob")
    sock = alice.passive()
    alice.raw(command.encode() + b"\r\n")
    if command.startswith("STOR"):
        sock.sendall(bytes(1 << 20))
    begin, worst = time.monotonic(), 0
    while time.monotonic() - begin < 2:
        one = time.monotonic()
        bob.expect("NOOP", 200)
        bob.put("f", b"1" * 1000)
        bob.get("RETR f")
        worst = max(worst, time.monotonic() - one)
    # What hangs does so for longer than this, or till stall_timeout.
    check(worst < 3, command, "stalls others", worst)
    with d.login("bob") as other:
        other.expect("PWD", 257)
    sock.close()
    alice.close()
    bob.close()


@case("T04", "a user's folder that goes away")
def gone(mode):
    with wharf.Daemon(mode) as d, d.steady():
        f = d.login()
        os.rename(d.path(), d.path() + ".away")
        try:
            r = f.cmd("STAT /")
            check(r.code < 600, r)
            f.cmd("MKD x")
            f.expect("NOOP", 200)
        finally:
            os.rename(d.path() + ".away", d.path())
        f.close()


@case("T05", "a folder that is removed while it is listed")
def removed(mode):
    with wharf.Daemon(mode) as d, d.steady(), d.login() as f:
        for i in range(500):
            d.make("many/%d" % i, b"")
        sock, r = f.open("LIST many")
        subprocess.run(["rm", "-rf", d.path("many")])
        while sock.recv(65536):
            pass
        sock.close()
        check(f.reply().code in (226, 426, 451))
        f.expect("NOOP", 200)


@case("T06", "a worker that stood still for a second goes on")
def slow(mode):
    import signal
    with wharf.Daemon(mode, conf="workers = 1") as d, d.steady(), d.login() as f:
        d.make("f", bytes(64 << 20))
        sock, _ = f.open("RETR f")
        got = len(sock.recv(1000))
        for pid in d.processes("wharfd-worker"):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(1)
            os.kill(pid, signal.SIGCONT)
        while True:
            part = sock.recv(1 << 20)
            if not part:
                break
            got += len(part)
        sock.close()
        check(f.reply().code == 226 and got == 64 << 20, got)


@case("T07", "no role leaves memory behind when it ends", modes=("user",))
def leaks(mode):
    """The leak checker can't look behind a filter, so this one daemon has none; its report would fail the test."""
    if not wharf.is_sanitized():
        raise Skip("needs the build with sanitizers")
    users = [wharf.User("alice", "pw", rights="read,write,overwrite,list,delete,rename,mkdir,chmod")]
    with wharf.Daemon(mode, users=users, conf="sandbox = none\nworkers = 1") as d:
        with d.ftp() as f:
            f.cmd("USER alice")
            check(f.cmd("PASS wrong").code == 530)
        with d.login() as f:
            f.put("a b", b"x" * 100000)
            check(f.get("RETR a b") == b"x" * 100000)
            for line in ("HASH a b", "XCRC a b", 'SITE COPY "a b" c', "MKD d", "RNFR c", "RNTO d/c", "MLST d", "STAT d",
                         "MFMT 20200101000000 d/c", "SITE CHMOD 600 d/c", "SITE RMDIR d", "SIZE nix", "REIN"):
                f.cmd(line)
        with d.login() as f:
            f.get("LIST -a")
            f.get("MLSD")
            f.open("RETR a b")
            f.cmd("NOOP")


def tls_counts():
    """What the kernel counts of the TLS that it does itself; None where it does none."""
    try:
        with open("/proc/net/tls_stat") as f:
            return dict((line.split()[0], int(line.split()[1])) for line in f)
    except FileNotFoundError:
        return None


@case("T08", "TLS in the kernel: used where it is, and told at start in any case")
def kernel_tls(mode):
    data = os.urandom(20 << 20)
    for option in ("yes", "no"):
        with wharf.Daemon(mode, tls=True, conf="workers = 1\nkernel_tls = " + option) as d:
            told = d.wait_log(r"worker 0: TLS is there kernel_encrypts=(\w+)(.*)$")
            before = tls_counts()
            d.make("f", data)
            for version in ("1.2", "1.3"):
                with d.login_tls(context=certificates.context(version)) as f:
                    check(f.get("RETR f") == data)
                    check(f.get("RETR f", active=True) == data)
            after = tls_counts()
            print("  kernel_tls = %s: %s%s" % (option, told[1], told[2]), flush=True)
            if told[1] == "yes":
                check(option == "yes" and before is not None, "the kernel has none")
                check(after["TlsTxSw"] + after["TlsTxDevice"] - before["TlsTxSw"] - before["TlsTxDevice"] == 4, before, after)
            else:
                check(re.search(r"why=.*\w", told[2]), "does not say why", told[0])
                check(before == after, before, after)
                # That it is off is no excuse where it was asked for, and the kernel has it.
                check(option == "no" or before is None or "tls" not in ulps(), "the kernel has it")


def ulps():
    with open("/proc/sys/net/ipv4/tcp_available_ulp") as f:
        return f.read().split()


if __name__ == "__main__":
    main()
