# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Tables of test cases: a decorator that names a case, and a main that runs them and tells what failed.

	@case("A01", "FTP bounce")
	def bounce(t): ...

A case fails by any exception.  `python3 FILE MODE [ID ...]` runs the cases that are meant for the mode, root or user.
A case that can't be tried here raises Skip and says why."""

import os
import re
import sys
import time
import traceback

SKIPPED = 77
# Seconds for what must come about, on a machine that others use too: a limit that costs nothing but where it is reached.
PATIENCE = 60
_table = []


class Skip(Exception):
    pass


def case(name, what, modes=("root", "user")):
    def add(function):
        _table.append((name, what, modes, function))
        return function
    return add


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what) or "check failed")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def until(condition, seconds=PATIENCE, what="condition"):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(0.02)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "root"
    wanted = sys.argv[2:]
    passed, failed, skipped = [], [], []

    for name, what, modes, function in _table:
        if mode not in modes or (wanted and not any(re.fullmatch(w, name) for w in wanted)):
            continue
        begin = time.monotonic()
        try:
            if mode == "root":
                need_root()
            function(mode)
            verdict, into = "ok", passed
        except Skip as why:
            verdict, into = "skipped (%s)" % why, skipped
        except Exception:
            traceback.print_exc()
            verdict, into = "FAILED", failed
        into.append(name)
        print("%s %s: %s (%.1f s)" % (name, what, verdict, time.monotonic() - begin), flush=True)

    print("%d passed, %d failed, %d skipped%s" % (len(passed), len(failed), len(skipped),
          ": " + " ".join(failed) if failed else ""), flush=True)
    if failed:
        sys.exit(1)
    if not passed:
        sys.exit(SKIPPED if skipped else 1)
