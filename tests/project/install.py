# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""`cmake --install` into a folder gives all that a system needs, and leaves a configuration that is there alone."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402

with open(os.path.join(wharf.BUILD, "CMakeCache.txt")) as f:
    prefix = next(line.split("=", 1)[1].strip() for line in f if line.startswith("CMAKE_INSTALL_PREFIX:"))
with tempfile.TemporaryDirectory() as stage:
    def install():
        done = subprocess.run(["cmake", "--install", wharf.BUILD], env=dict(os.environ, DESTDIR=stage),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout)

    def found(name):
        return [os.path.join(p, n) for p, _, names in os.walk(stage) for n in names
                if os.path.join(p, n).endswith(name)]

    install()
    wanted = {"/sbin/wharfd": 0o755, "/sbin/wharfctl": 0o755, "/libexec/wharfd/wharfd-worker": 0o755,
              "/libexec/wharfd/wharfd-auth": 0o755, "/libexec/wharfd/wharfd-agent": 0o755,
              "/libexec/wharfd/wharfd-ledger": 0o755, "/man8/wharfd.8": 0o644,
              "/man8/wharfctl.8": 0o644, "/man5/wharfd.conf.5": 0o644, "/man5/wharfd-users.5": 0o644,
              "/wharfd/wharfd.conf": 0o644, "/pam.d/wharfd": 0o644, "/system/wharfd.service": 0o644}
    for name, mode in wanted.items():
        places = found(name)
        if len(places) != 1:
            sys.exit("%s is installed in %d places" % (name, len(places)))
        if os.stat(places[0]).st_mode & 0o777 != mode:
            sys.exit("%s has the mode %o" % (name, os.stat(places[0]).st_mode & 0o777))
    unit = open(found("/wharfd.service")[0]).read()
    if prefix + "/sbin/wharfd" not in unit:
        sys.exit("the unit does not start %s/sbin/wharfd:\n%s" % (prefix, unit))
    conf = found("/wharfd/wharfd.conf")[0]
    with open(conf, "w") as f:
        f.write("# mine\n")
    install()
    if open(conf).read() != "# mine\n":
        sys.exit("an existing wharfd.conf was overwritten")
    # What is installed starts: the roles are found where they were put.
    done = subprocess.run([found("/sbin/wharfctl")[0], "--version"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0 or not done.stdout.startswith("wharfctl "):
        sys.exit("the installed wharfctl does not run")
print("%d files" % len(wanted))
