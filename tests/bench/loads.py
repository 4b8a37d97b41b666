# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""The load generator, as a child: see load.c."""

import contextlib
import os
import subprocess
import time

import servers
from servers import wharf

LOAD = os.path.join(wharf.BUILD, "tests/load")


class Failed(Exception):
    """A transfer or a login did not succeed."""


def make(size, path, text=False):
    subprocess.run([LOAD] + ["-a"] * text + ["make", str(size), path], check=True)


class Load:
    """The load generator on a server: all its sessions are logged in, and wait, while the block begins; with the end of
    the block they leave.  `core` is where it runs, `settle` how many seconds are left to what the logins began.  `logins` is
    what those took: median, 99th percentile and maximum, in µs."""

    def __init__(self, server, tls, work, text=False, core=None, settle=0.2):
        self.argv = [LOAD] + ["-t"] * tls + ["-a"] * text + [str(server.port), server.user, server.password] + work
        self.what = "%s: %s" % (server.name, " ".join(self.argv[1:]))
        self.core, self.settle = core, settle

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed("%s: %s" % (self.what, self.process.stderr.read().strip()))
        return line

    def _begin(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self._line()
            raise

    def __enter__(self):
        with contextlib.nullcontext() if self.core is None else servers.on(self.core):
            self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, text=True)
        self.logins = [int(n) for n in self._line().split()[1:]]
        time.sleep(self.settle)
        return self

    def go(self):
        """When the work is done: data connections, how many of them resumed, mean µs to the first byte.  What NOOPs or
        logins took is then in `times`: median, 99th percentile and maximum, in µs."""
        self._begin()
        told = [int(n) for n in self._line().split()]
        self.times = told[3:]
        return told[:3]

    def __exit__(self, kind, value, trace):
        self.process.stdin.close()
        if self.process.wait() != 0 and kind is None:
            raise Failed("%s: %s" % (self.what, self.process.stderr.read().strip()))


class Busy(Load):
    """A load that works while the block runs, whatever there is to do, and is cut off at its end."""

    def __enter__(self):
        super().__enter__()
        self._begin()
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is not None and kind is None:
            raise Failed("%s: %s" % (self.what, self.process.stderr.read().strip()))
        self.process.kill()
        self.process.wait()
