# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Attacks on what a session costs and leaves behind, with TLS and without."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import Skip, case, check, main  # noqa: E402
from ftp import encode  # noqa: E402

WORD = "correct-horse-battery-staple-42"


def memory(pid):
    """What a process can write to, as it stands."""
    parts = []
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            first, last = (int(n, 16) for n in line.split()[0].split("-"))
            if "w" not in line.split()[1]:
                continue
            try:
                mem.seek(first)
                parts.append(mem.read(last - first))
            except (OSError, ValueError, OverflowError):
                pass
    return b"".join(parts)


# Name, what is sent in one piece after USER's reply, and how many replies come.
NOOPS = b"NOOP " + b"x" * 40 + b"\r\n"
WAYS = (
    ("alone", b"PASS %s\r\n", 1),
    ("behind 9 KiB of other commands", NOOPS * 200 + b"USER alice\r\nPASS %s\r\n", 202),
    ("behind two records of other commands", NOOPS * 600 + b"USER alice\r\nPASS %s\r\n", 602),
    ("in the queue behind another login", b"PASS wrong\r\nUSER alice\r\nPASS %s\r\nPWD\r\n", 4),
    ("much too long", b"PASS " + b"x" * 600 + b"%s\r\n", 1),
    ("twice", b"PASS %s\r\nPASS %s\r\n", 2),
)


@case("D11a", "a password does not stay in the worker, however it came", modes=("root",))
def secrets(mode):
    if wharf.is_sanitized():
        raise Skip("freed memory is kept by the sanitizer")
    with wharf.Daemon(mode, users=[wharf.User("alice", WORD)], conf="workers = 1", tls=True) as d:
        worker = d.processes("wharfd-worker")[0]
        for connect in (d.ftp, d.secure):
            for what, text, replies in WAYS:
                with connect() as f:
                    f.expect("USER alice", 331)
                    f.raw(text.replace(b"%s", encode(WORD)))
                    for _ in range(replies):
                        f.reply()
                    check(encode(WORD) not in memory(worker), "the password is left:", connect.__name__, what)


if __name__ == "__main__":
    main()
