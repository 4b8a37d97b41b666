# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""clang-tidy on everything under src, two files at a time."""

import concurrent.futures
import json
import os
import subprocess
import sys

build = os.environ["WHARF_BUILD"]
with open(os.path.join(build, "compile_commands.json")) as f:
    files = sorted({c["file"] for c in json.load(f) if "/src/" in c["file"]})


def tidy(path):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", build, "--extra-arg=-Wno-unknown-warning-option",
                           # clang 14 wants to be asked twice for a flag that gcc simply has.
                           "--extra-arg=-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang",
                           path],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return path, done.returncode, done.stdout


bad = 0
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for path, status, text in pool.map(tidy, files):
        if status != 0 or text.strip():
            bad += 1
            print("%s:\n%s" % (path, text))
print("%d files, %d with findings" % (len(files), bad))
sys.exit(1 if bad or not files else 0)
