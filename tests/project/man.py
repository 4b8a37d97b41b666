# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Every man page is clean under mandoc -T lint."""

import glob
import os
import re
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
build = os.environ["WHARF_BUILD"]
pages = {}
for folder in (os.path.join(here, "../../man"), build, os.path.join(build, "man")):
    for page in glob.glob(os.path.join(folder, "*.[1-9]")):
        pages.setdefault(os.path.basename(page), page)
wanted = {"wharfd.8", "wharfd.conf.5", "wharfctl.8", "wharfd-users.5"}
if not wanted <= set(pages):
    sys.exit("missing: " + ", ".join(sorted(wanted - set(pages))))
bad = 0
for name, page in sorted(pages.items()):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "style", page], stdout=subprocess.PIPE, text=True)
    # Pages of our own refer to each other before they are installed, and to those of packages that need not be there.
    said = [line for line in done.stdout.splitlines() if not re.search(r"referenced manual not found|Mdocdate", line)]
    print("%s: %s" % (name, "clean" if not said else "\n  ".join(said)))
    bad += len(said)
sys.exit(1 if bad else 0)
