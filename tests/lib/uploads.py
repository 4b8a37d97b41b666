# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""What tests of uploads look at: the target on disk, what is staged beside it, the quota's tally and the journal."""

import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import zlib

import wharf
from cases import PATIENCE, Skip, check, until
from ftp import Closed, encode, finish, notify, reset

RESERVED = b".wharfd-"
VERSIONS = b".wharfd-versions"
GONE = (Closed, ConnectionError, TimeoutError, ssl.SSLError, ValueError)


def content(name, size):
    """Bytes that only this file has."""
    return random.Random(name).randbytes(size)


def slurp(path):
    """A file's bytes, or None where there is none."""
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def length(path):
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def entries(root):
    """Path, as bytes, and facts of each entry below."""
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            path = os.path.join(folder, name)
            try:
                yield path, os.lstat(path)
            except FileNotFoundError:
                pass


def usage(root):
    """Bytes and number of the regular files below, an inode once: what the quota must say."""
    seen = {}
    for _, st in entries(root):
        if stat.S_ISREG(st.st_mode):
            seen[st.st_dev, st.st_ino] = st.st_size
    return sum(seen.values()), len(seen)


def parts(root):
    """The staging files below, and how long ago each was changed."""
    now = time.time()
    return {path: now - st.st_ctime for path, st in entries(root)
            if os.path.basename(path).startswith(RESERVED) and stat.S_ISREG(st.st_mode)}


def tally(f, seconds=0):
    """Bytes and files that SITE QUOTA tells of; within some time where the ledger has just ended."""
    r = until(lambda: (r := f.cmd("SITE QUOTA")).code != 451 and r, seconds, "an answer to SITE QUOTA")
    check(r.code == 200, r)
    text = b"\n".join(r.lines)
    return tuple(int(re.search(rb"%s used: (\d+)" % what, text)[1]) for what in (b"Bytes", b"Files"))


def agrees(d, f, user=None, what="the quota's tally"):
    """SITE QUOTA says what is on disk; a sweep may come in between."""
    def same():
        before = usage(d.root(user))
        told = tally(f, PATIENCE)
        return told == before or (told, before, usage(d.root(user)))
    try:
        until(lambda: same() is True, what=what)
    except AssertionError:
        told = same()
        check(told is True, what, "(told, on disk before, after):", told)


def history(d, *args):
    """The journal's transfers and changes, the oldest first."""
    done = d.ctl("history", "--config", d.conf_path, "--format", "json", *args)
    check(done.returncode == 0, done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def crc32(data):
    return "crc32:%08x" % zlib.crc32(data)


class Upload:
    """One upload, brought step by step to where something is done to it.  old: what the target was before, and is.
    how: STOR, or REST or APPE, which go on with a part that is made first."""

    def __init__(self, d, name, new, old=None, how="STOR", tls=False, user=None):
        self.d, self.name, self.new, self.old, self.how, self.tls, self.user = d, name, new, old, how, tls, user
        self.f = d.login_tls(user) if tls else d.login(user)
        self.sock, self.sent, self.replies, self.acked = None, 0, [], False
        self.start = 0
        if how != "STOR":
            self._part(len(new) // 3)

    def _part(self, size):
        """What is shorter than ALLO said is no file, and stays staged."""
        self.f.expect("ALLO %d" % len(self.new), 200)
        r = self.f.write("STOR " + self.name, self.new[:size])
        check(r.code == 451, r)
        self.start = int(self.f.expect("SIZE " + self.name, 213).text)
        check(self.start == size, "the part has", self.start, "bytes of", size)

    def begin(self):
        """The data connection, and 150."""
        verb = b"APPE " if self.how == "APPE" else b"STOR "
        self.sock, r = self.f.open(verb + encode(self.name), rest=self.start if self.how == "REST" else 0)
        check(self.sock, self.name, self.how, r)
        self.sent = self.start

    def send(self, upto):
        try:
            self.sock.sendall(self.new[self.sent:upto])
        except OSError:
            pass
        self.sent = max(self.sent, upto)

    def end(self):
        """The proved end of the data, and nothing more: the commit runs now."""
        if self.tls:
            notify(self.sock)
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
        except OSError:
            pass

    def advance(self, step):
        """step: connected, 150, a number of bytes behind the start, last, committing (but for end()), 226."""
        if step == "connected":
            self.sock = self.f.passive()
            return
        self.begin()
        if step == "150":
            return
        self.send(min(len(self.new), self.start + step) if isinstance(step, int) else len(self.new))
        if step == "226":
            self.end()
            r = self.f.reply()
            check(r.code == 226, self.name, r)
            self.replies.append(r)
            self.acked = True

    def hear(self, seconds=3):
        """What the server still says, up to the reply that ends the upload, or the end of the connection."""
        try:
            self.f.sock.settimeout(seconds)
            while not self.acked and not any(r.code >= 400 for r in self.replies):
                self.replies.append(self.f.reply())
                self.acked = self.replies[-1].code == 226
        except GONE:
            pass
        except OSError:
            pass

    def drop(self):
        for sock in (self.sock, self.f.sock):
            try:
                if sock:
                    sock.close()
            except OSError:
                pass

    def published(self):
        """Whether the target is the new file; it is that or the old one, and the new one where 226 said so."""
        data = slurp(self.d.path(self.name, user=self.user))
        check(data == self.new or data == self.old, self.name, self.how, "is neither the old file nor the new one:",
              None if data is None else len(data), "bytes, sent", self.sent, "of", len(self.new), self.replies)
        check(data == self.new or not self.acked, self.name, self.how, "was told 226, and is not there")
        return data == self.new

    def resume(self, tls=False):
        """Goes on where the server says, in a new session, as a client does."""
        with (self.d.login_tls(self.user) if tls else self.d.login(self.user)) as f:
            r = f.cmd("SIZE " + self.name)
            size = int(r.text) if r.code == 213 else 0
            if size > len(self.new) or (self.old is not None and size == len(self.old)):
                size = 0
            f.put(self.name, self.new[size:], rest=size)
        check(slurp(self.d.path(self.name, user=self.user)) == self.new, self.name, "was resumed, and differs")
        return size


def journal_agrees(d, uploads):
    """What was told 226 is in the journal once, with the file's digest and a proved end; nothing is there twice."""
    def wrong():
        rows = {}
        for row in history(d):
            if row["kind"] == "upload" and row["whole"]:
                rows.setdefault(row["path"], []).append(row)
        for u in uploads:
            mine = [r for r in rows.get("/" + u.name, []) if r["digest"] == crc32(u.new)]
            if len(mine) > 1 or (u.acked and len(mine) != 1):
                return u.name, u.acked, rows.get("/" + u.name)
            if any(r["verdict"] not in ("fin", "close-notify") for r in mine):
                return u.name, mine
        return None
    try:
        until(lambda: wrong() is None)
    except AssertionError:
        check(wrong() is None, "the journal is wrong:", wrong())


def no_part_is_left(d, keep, user=None):
    """Whatever was staged goes when its time is up; the sweep may be late, and the machine slow."""
    until(lambda: not parts(d.root(user)), keep + 30, "no staging file is left")


class Stopped:
    """The daemon's processes that touch files stand still, so that the disk can be looked at."""

    def __init__(self, d):
        self.d = d

    def __enter__(self):
        self.pids = self.d.processes("wharfd-worker") + self.d.processes("wharfd-agent")
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        # A thread that is in a call that can't be interrupted ends that first.
        for pid in self.pids:
            until(lambda: all((wharf.stat_of(int(task)) or "T")[0] in "TtZ" for task in threads_of(pid)), what="all stand still")

    def __exit__(self, *_):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def threads_of(pid):
    try:
        return os.listdir("/proc/%d/task" % pid)
    except FileNotFoundError:
        return []


class Mounted:
    """A file system of its own in a folder of its own: tmpfs, or one on a loop device whose file is in a folder that is
    the test's.  image: what is mounted, where it is made already."""

    def __init__(self, kind, size, image=None):
        self.kind, self.size, self.image = kind, size, image
        self.folder = tempfile.mkdtemp(prefix="wharf-disk-", dir=wharf.PLACE)
        os.chmod(self.folder, 0o755)
        self.path = os.path.join(self.folder, "disk")
        os.mkdir(self.path)

    def _make(self):
        self.image = os.path.join(self.folder, "image")
        with open(self.image, "wb") as f:
            f.truncate(self.size)
        argv = {"ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"],
                "xfs": ["mkfs.xfs", "-q", "-f", "-l", "size=64m"]}[self.kind]
        run(argv + [self.image])

    def __enter__(self):
        try:
            if self.kind == "tmpfs":
                run(["mount", "-t", "tmpfs", "-o", "size=%d" % self.size, "tmpfs", self.path])
            else:
                if self.image is None:
                    self._make()
                run(["mount", "-t", self.kind, "-o", "loop" + (",nouuid" if self.kind == "xfs" else ""), self.image,
                     self.path])
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        lost = os.path.join(self.path, "lost+found")
        if os.path.isdir(lost):
            os.rmdir(lost)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)


def run(argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        raise Skip("there is no " + argv[0])
    if done.returncode != 0:
        raise Skip("%s: %s" % (" ".join(argv), done.stdout.strip()))
    return done.stdout
