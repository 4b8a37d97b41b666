# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""File systems of our own for a benchmark: ext4 and XFS on loop devices, and tmpfs.  They are mounted in a mount
namespace of this process and what it starts, each loop device frees itself with its mount, and the file behind it has
no name any more: whatever ends us, nothing stays."""

import ctypes
import os
import subprocess
import tempfile
import time

from servers import Peer

CLONE_NEWNS = 0x20000
MAKE = {"tmpfs": None, "ext4": ["/sbin/mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
        "xfs": ["/sbin/mkfs.xfs", "-q", "-f", "-K"]}


def is_there(kind):
    """Whether one who may mount can have a file system of this kind here."""
    if kind == "tmpfs":
        return True
    free = subprocess.run(["losetup", "--find"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return free.returncode == 0 and Peer.find(MAKE[kind][0]) is not None


def own_mounts():
    """From now on our mounts are seen by us, and by what we start, alone.  Returns whether we may mount."""
    if ctypes.CDLL(None).unshare(CLONE_NEWNS) < 0:
        return False
    # In a chroot / may be no mount; then others may see ours, until they are unmounted.
    subprocess.run(["mount", "--make-rprivate", "/"], stderr=subprocess.DEVNULL)
    return True


class Disk:
    """A file system of `size` bytes, mounted on a folder below `place`; a loop device's bytes are in a file there, which
    is written in full first, so that no measurement pays for its blocks."""

    def __init__(self, kind, size, place):
        self.kind, self.device = kind, None
        self.folder = tempfile.mkdtemp(prefix="wharf-disk-%s-" % kind, dir=place)
        self.mounted = False
        try:
            if kind == "tmpfs":
                self._mount(["-t", "tmpfs", "-o", "size=%d" % size, "wharf-bench"])
            else:
                self._loop(size)
        except BaseException:
            self.remove()
            raise

    def _mount(self, what):
        subprocess.run(["mount"] + what + [self.folder], check=True)
        self.mounted = True

    def _loop(self, size):
        path = self.folder + ".img"
        try:
            zeros = bytes(1 << 20)
            with open(path, "wb") as f:
                for _ in range(size >> 20):
                    f.write(zeros)
                os.fsync(f.fileno())
            self.device = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", path], check=True,
                                         stdout=subprocess.PIPE, text=True).stdout.strip()
        finally:
            os.unlink(path)
        try:
            tool, *arguments = MAKE[self.kind]
            subprocess.run([Peer.find(tool), *arguments, self.device], check=True, stdout=subprocess.DEVNULL,
                           env=Peer.environment())
            self._mount([self.device])
        finally:
            # It stays until it is unmounted.
            subprocess.run(["losetup", "--detach", self.device], check=True)

    def settle(self):
        """What was written is on disk, and does not weigh on what comes."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(fd) < 0:
                raise OSError(ctypes.get_errno(), "syncfs")
        finally:
            os.close(fd)

    def flushes(self):
        """How often the device was told to put on disk what it has in its cache; 0 where there is no device."""
        if not self.device:
            return 0
        with open("/sys/block/%s/stat" % os.path.basename(self.device)) as f:
            return int(f.read().split()[15])

    def remove(self):
        for _ in range(50):
            if not self.mounted or subprocess.run(["umount", self.folder], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)  # a server that has just ended may still hold it
        else:
            subprocess.run(["umount", "--lazy", self.folder], check=True)
        self.mounted = False
        os.rmdir(self.folder)
