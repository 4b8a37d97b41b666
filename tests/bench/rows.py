# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""The rows of the benchmark: what the load does in each, in what unit it is told, and what wharfd shall reach.  A goal is
a figure that is not to be exceeded, or a ratio to the peer that is best in the same run."""

import collections

GIB, MIB, SMALL = 1 << 30, 1 << 20, 4096

Ratio = collections.namedtuple("Ratio", "most")
Limit = collections.namedtuple("Limit", "most")

# verb: load.c's.  what: the file that is moved: "large", "small" or "text".  goals: by figure, "cpu", "first", "memory".
Row = collections.namedtuple("Row", "name title verb tls sessions what goals")

ROWS = [
    Row("get", "download", "get", False, 1, "large", {"cpu": Ratio(1)}),
    Row("get-4", "download, 4 sessions", "get", False, 4, "large", {"cpu": Ratio(1)}),
    Row("put", "upload", "put", False, 1, "large", {"cpu": Ratio(0.92)}),
    Row("tls-get", "download, TLS", "get", True, 1, "large", {"cpu": Ratio(0.92)}),
    Row("tls-put", "upload, TLS", "put", True, 1, "large", {"cpu": Ratio(0.95)}),
    Row("get-small", "4 KiB files down, 8 sessions", "get", False, 8, "small", {"cpu": Ratio(0.65)}),
    Row("put-small", "4 KiB files up, 8 sessions", "put", False, 8, "small", {"cpu": Ratio(0.75)}),
    Row("tls-get-small", "4 KiB files down, 8 sessions, TLS", "get", True, 8, "small", {"cpu": Ratio(0.6)}),
    Row("tls-put-small", "4 KiB files up, 8 sessions, TLS", "put", True, 8, "small", {"cpu": Ratio(0.6)}),
    Row("login", "login, 8 at once", "login", False, 8, None, {"cpu": Ratio(0.5)}),
    Row("tls-login", "login, 8 at once, TLS", "login", True, 8, None, {"cpu": Ratio(0.65)}),
    Row("idle", "idle sessions", "idle", False, 5000, None, {"memory": Limit(2.0), "whole": None}),
    Row("tls-idle", "idle sessions, TLS", "idle", True, 1000, None, {"memory": Limit(18), "whole": None}),
    Row("list", "LIST of a large folder", "list", False, 1, None, {"cpu": Limit(120), "first": Limit(60)}),
    Row("mlsd", "MLSD of a large folder", "mlsd", False, 1, None, {"cpu": Limit(120), "first": Limit(2)}),
    Row("noop", "NOOP, 50 sessions", "noop", False, 50, None, {"cpu": Limit(5.5)}),
    Row("ascii-get", "download, TYPE A", "get", False, 1, "text", {"cpu": Ratio(0.5)}),
    Row("ascii-put", "upload, TYPE A", "put", False, 1, "text", {"cpu": Ratio(0.75)}),
]


class Sizes:
    """How much is done in one measurement; enough of it that noise is small."""

    def __init__(self, short):
        self.short = short
        self.size = {"large": 16 * MIB if short else GIB, "text": 4 * MIB if short else 256 * MIB, "small": SMALL}
        self.files = 24 if short else 4000
        self.logins = 16 if short else 2000
        self.noops = 200 if short else 20000
        self.entries = 1000 if short else 100000
        self.most = 20 if short else 5000  # sessions
        # A process or more a session: fewer of them tell as much.
        self.forked_logins, self.forked_idle = (8, 4) if short else (100, 100)

    def count(self, row, forks):
        """How many pieces of work."""
        if row.verb in ("get", "put"):
            short = row.verb == "get" and row.what == "large"
            return self.files if row.what == "small" else max(row.sessions, 2 if short else 1)
        return {"login": self.forked_logins if forks else self.logins, "noop": self.noops, "list": 3, "mlsd": 3,
                "idle": 0}[row.verb]

    def sessions(self, row, forks):
        return min(row.sessions, self.forked_idle if forks and row.verb == "idle" else self.most)

    def work(self, row, forks):
        """The arguments of the load."""
        work = [row.verb, self.sessions(row, forks), self.count(row, forks)]
        if row.verb == "idle":
            work.pop()
        elif row.what:
            work += [self.size[row.what], "in/" if row.verb == "put" else "small/" if row.what == "small" else row.what]
        elif row.verb in ("list", "mlsd"):
            work += [self.entries, "many"]
        return [str(w) for w in work]

    def unit(self, row, figure):
        """A name, and how many of it a second, or a byte, of this row is."""
        if figure in ("memory", "whole"):
            return "KiB of PSS each", 1 / 1024
        if row.verb in ("list", "mlsd"):
            return "ms", 1e3
        if row.what in ("large", "text"):
            return "s/GiB", GIB / self.size[row.what]
        return "µs each", 1e6
