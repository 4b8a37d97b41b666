# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Every verb of commands.def is said in some dialogue, so that no command is without a test."""

import glob
import os
import re
import sys

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "../../include/wharf/ftp/commands.def")) as f:
    table = f.read()
said = ""
for path in glob.glob(os.path.join(here, "*.dialog")):
    with open(path) as f:
        for line in f:
            if line.startswith("C"):
                said += line[2:].strip().replace("\\r\\n", "\n").upper() + "\n"
verbs = re.findall(r"^COMMAND\(\s*(\w+)", table, re.M)
sites = re.findall(r"^SITE(?:_COMMAND)?\(\s*(\w+)", table, re.M)
missing = [v for v in verbs if not re.search(r"^(\\x\w\w)*%s\b" % v, said, re.M)]
missing += ["SITE " + s for s in sites if not re.search(r"^SITE %s\b" % s, said, re.M)]
if not verbs:
    sys.exit("commands.def has no row")
if missing:
    sys.exit("no dialogue says " + ", ".join(missing))
print("%d verbs, %d of SITE" % (len(verbs), len(sites)))
