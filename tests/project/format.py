# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""The form of the sources: clang-format's, lines of 100 columns, and the two lines that every file begins with."""

import glob
import os
import subprocess
import sys

root = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sources = [p for top in ("src", "include", "man", "tests") for p in glob.glob(os.path.join(root, top, "**", "*.[ch]"), recursive=True)]
bad = []
for path in sources:
    with open(path) as f:
        lines = f.read().splitlines()
    name = os.path.relpath(path, root)
    if lines[:2] != ["/* SPDX-License-Identifier: ISC */", "/* Copyright (c) 2026 The wharfd authors */"]:
        bad.append("%s:1: does not begin with the licence and the copyright" % name)
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            bad.append("%s:%d: blanks at the end" % (name, number))
done = subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file"] + sources, stderr=subprocess.PIPE, text=True,
                      cwd=root)
if done.returncode != 0:
    bad.append("clang-format wants changes in:")
    bad += sorted({"  " + os.path.relpath(line.split(":")[0], root) for line in done.stderr.splitlines() if ": error: " in line})
print("\n".join(bad) or "%d files" % len(sources))
sys.exit(1 if bad or not sources else 0)
