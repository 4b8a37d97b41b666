# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Power loss.  The file behind a loop device is copied the moment that 226 arrives: that is what a disk would have had if
the power had failed then.  Mounted afresh, with the file system's own journal replayed, it must have all that was told
226.  With durability = none it has not, which shows that this looks where losses are.  And a trace of system calls shows
the order: written, synced, renamed, the folder synced, then 226."""

import os
import re
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import Skip, case, check, main, until  # noqa: E402
from uploads import Mounted, Stopped, content, slurp  # noqa: E402

SIZES = {"ext4": 48 << 20, "xfs": 320 << 20}
FILES = 20


def durable(disk, durability):
    user = wharf.User("alice", "pw", root=disk.path)
    d = wharf.Daemon("root", users=[user], conf="workers = 1", blocks='user "alice" {\n\tdurability = %s\n}' % durability)
    os.chown(disk.path, user.uid, user.uid)
    return d


def size_of(number):
    return (1, 4096, 10000, 262144, 1000000)[number % 5]


def snapshot(disk, to):
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", disk.image, to], check=True)
    return to


def survivors(kind, image, expected):
    """How many of the expected files are whole in that image; and those that are torn: neither old nor new nor absent."""
    with Mounted(kind, 0, image) as after:
        whole, torn = 0, []
        for name, versions in expected.items():
            data = slurp(os.path.join(after.path, name))
            whole += data == versions[-1]
            if data not in versions:
                torn.append((name, None if data is None else len(data)))
        return whole, torn


def lose_power(kind, durability):
    """20 new files and 20 replaced ones, a copy of the disk at each 226; the sum of those lost in any copy, and torn."""
    lost, torn, stolen = 0, [], 0
    with Mounted(kind, SIZES[kind]) as disk, tempfile.TemporaryDirectory(dir=wharf.PLACE) as folder:
        image = os.path.join(folder, "copy")
        with durable(disk, durability) as d, d.login() as f:
            expected = {}
            for turn in range(2 * FILES):
                name = "file%d" % (turn % FILES)
                new = content("%s %d" % (name, turn), size_of(turn))
                expected.setdefault(name, [None]).append(new)
                f.put(name, new)
                snapshot(disk, image)
                del expected[name][:-1]
                whole, bad = survivors(kind, image, expected)
                lost += whole < len(expected)
                stolen += len(expected) - whole
                torn += bad
    print("  %s, %s: of %d copies %d lack files that were told 226, %d files in all" % (
        kind, durability, 2 * FILES, lost, stolen))
    return lost, torn


@case("U20", "ext4: what was told 226 outlives the power", modes=("root",))
def ext4(mode):
    lost, torn = lose_power("ext4", "sync")
    check(lost == 0 and not torn, lost, torn)


@case("U21", "XFS: what was told 226 outlives the power", modes=("root",))
def xfs(mode):
    lost, torn = lose_power("xfs", "sync")
    check(lost == 0 and not torn, lost, torn)


@case("U22", "without durability files are lost, and this sees it", modes=("root",))
def none(mode):
    lost, _ = lose_power("ext4", "none")
    check(lost > FILES, "only", lost)


@case("U23", "the power fails while many upload: what has no 226 is old or new, never torn", modes=("root",))
def crowd(mode):
    with Mounted("ext4", SIZES["ext4"]) as disk, tempfile.TemporaryDirectory(dir=wharf.PLACE) as folder:
        with durable(disk, "sync") as d:
            states, stop, failures = {}, threading.Event(), []

            def one(number):
                try:
                    with d.login() as f:
                        turn = 0
                        while not stop.is_set():
                            name = "crowd%d-%d" % (number, turn % 5)
                            new = content("%s %d" % (name, turn), size_of(turn + number))
                            versions = states.setdefault(name, [None])
                            versions.append(new)
                            f.put(name, new)
                            del versions[:-1]
                            turn += 1
                except Exception as e:
                    failures.append(repr(e))
            threads = [threading.Thread(target=one, args=(n,)) for n in range(4)]
            for t in threads:
                t.start()
            torn = []
            try:
                for number in range(8):
                    # What may be there: from the moment before the copy begins to the one when it has ended.  The copy
                    # itself takes a while, and a disk that is copied in motion is no disk: so all stand still for it.
                    with Stopped(d):
                        before = {name: list(versions) for name, versions in states.items()}
                        image = snapshot(disk, os.path.join(folder, "copy%d" % number))
                        after = {name: list(versions) for name, versions in states.items()}
                    may = {name: before.get(name, [None]) + versions for name, versions in after.items()}
                    _, bad = survivors("ext4", image, may)
                    os.unlink(image)
                    torn += bad
            finally:
                stop.set()
                for t in threads:
                    t.join()
        check(not failures, failures[:3])
        check(not torn, torn)
        print("  8 copies, %d files" % len(states))


@case("U24", "written, synced, renamed, the folder synced, then 226", modes=("root",))
def order(mode):
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("nothing can be traced here")
    with wharf.Daemon("root", conf="workers = 1", expect=["."]) as d:
        for size, old in ((10000, False), (10000, True), (3000000, False), (3000000, True)):
            with d.login() as f:
                if old:
                    f.put("f", b"old")
                calls = traced(d, lambda: f.put("f", content("f", size)))
                f.expect("DELE f", 250)
            proves(calls, size, old)


def traced(d, action):
    """The calls of worker and agent while something is done, as (name, arguments, result, descriptor's file)."""
    out = os.path.join(d.folder, "trace")
    pids = d.processes("wharfd-worker") + d.processes("wharfd-agent")
    argv = ["strace", "-f", "-qq", "-y", "-s", "64", "-o", out, "-e",
            "trace=write,writev,pwrite64,pwritev,pwritev2,splice,fsync,fdatasync,renameat2,sendto,sendmsg,openat2,openat"]
    for pid in pids:
        argv += ["-p", str(pid)]
    tracer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until(lambda: all(wharf.status_of(int(t))["TracerPid"] == str(tracer.pid)
                          for pid in pids for t in os.listdir("/proc/%d/task" % pid)), 5, "strace has attached")
        action()
    finally:
        tracer.terminate()
        tracer.wait(10)
        tracer.stderr.close()
    with open(out, errors="backslashreplace") as f:
        return whole_calls(f.read().splitlines())


def whole_calls(lines):
    """strace splits a call during which another thread has one: put together, at the place where it ended."""
    begun, calls = {}, []
    for line in lines:
        pid, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text[:-len("<unfinished ...>")]
        elif text.startswith("<... "):
            calls.append(begun.pop(pid, "") + text.partition(" resumed>")[2])
        else:
            calls.append(text)
    return calls


def proves(calls, size, old):
    def find(pattern, last=False):
        at = [i for i, call in enumerate(calls) if re.search(pattern, call)]
        check(at, "no call like", pattern, "in\n" + "\n".join(calls))
        return at[-1 if last else 0]
    staged = r"/\.wharfd-[^>\"]*>"
    written = find(r"^(write|writev|pwrite64|pwritev2?)\(\d+<[^>]*" + staged + r"|^splice\(.*, \d+<[^>]*" + staged, last=True)
    synced = find(r"^f(data)?sync\(\d+<[^>]*" + staged + r"\)\s+= 0", last=True)
    renamed = find(r'^renameat2\(.*"\.wharfd-[^"]*", .*"f", \w+\)\s+= 0')
    folder = find(r"^f(data)?sync\(\d+<[^>]*/home/alice>\)\s+= 0", last=True)
    told = find(r'^(write|writev|sendto|sendmsg)\(.*"226 ')
    check(written < synced < renamed < folder < told, "out of order:", written, synced, renamed, folder, told,
          "\n" + "\n".join(calls))
    check(sum(bool(re.match(r'renameat2\(.*"f", \w+\)\s+= 0', call)) for call in calls) == 1, "\n".join(calls))
    print("  %d bytes%s: %s" % (size, ", replacing" if old else "", ", ".join(
        calls[at].split("(")[0] for at in (written, synced, renamed, folder, told))))


if __name__ == "__main__":
    main()
