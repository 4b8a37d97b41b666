# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Every configuration that README.md shows is one that `wharfd -t` takes, once its folders, users and certificates are
there; and certificates are made as it says."""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402

with open(os.path.join(wharf.SOURCE, "README.md")) as f:
    readme = f.read()
shown = re.findall(r"^```conf\n(.*?)^```$", readme, re.M | re.S)
if len(shown) < 4:
    sys.exit("README.md shows %d configurations, and there are TLS and three jobs" % len(shown))


def certificate(arguments):
    command = [os.path.join(wharf.BUILD, "wharfctl"), "certificate", "make"] + arguments
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit("%s: %s" % (" ".join(command), done.stdout))


failed = 0
ports = wharf.Ports(4)
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    os.makedirs(folder + "/etc/wharfd")
    makes = re.findall(r"^    sudo wharfctl certificate make (.*)$", readme, re.M)
    for line in makes:
        certificate(re.sub(r"(^| )/", r"\1%s/" % folder, line).split())
    if not makes:
        sys.exit("README.md does not say how a certificate is made")
    for number, text in enumerate(shown, 1):
        # What the reader makes by the lines above it: folders, a users file, the system's users.
        for path in re.findall(r'"(/(?:srv|home|var)[^"%]*)"', text):
            made = folder + path
            os.makedirs(os.path.dirname(made) if path.endswith((".log", "xferlog")) else made, exist_ok=True)
            text = text.replace('"%s"' % path, '"%s"' % made)
        pairs = zip(*(re.findall(r'^tls_%s = {"(/[^"]*)"}$' % kind, text, re.M) for kind in ("certificate", "key")))
        for pair in pairs:
            os.makedirs(folder + os.path.dirname(pair[0]), exist_ok=True)
            certificate([folder + path for path in pair] + ["--force"])
            for path in pair:
                text = text.replace('"%s"' % path, '"%s"' % (folder + path))
        users = os.path.join(folder, "users")
        os.close(os.open(users, os.O_CREAT | os.O_WRONLY, 0o600))
        text = 'users_file = "%s"\nempty_directory = "%s/empty"\nstate_directory = "%s/state"\n' % (users, folder, folder) + text
        if os.geteuid() == 0:
            text = 'run_as = "%s"\n' % wharf.RUN_AS + text
            if "anonymous_user" not in text:
                text = 'anonymous_user = "%s"\n' % wharf.ANONYMOUS + text
        for i, port in enumerate((21, 990)):
            text = re.sub(r"(\n\s*port = )%d\b" % port, r"\g<1>%d" % (ports.first + i), text)
        path = os.path.join(folder, "wharfd.conf")
        with open(path, "w") as out:
            out.write(text)
        done = subprocess.run([os.path.join(wharf.BUILD, "wharfd"), "-t", "-c", path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        complaints = [line for line in done.stdout.splitlines() if "pam_service" not in line]
        if done.returncode != 0 and complaints:
            failed += 1
            print("configuration %d:\n%s\n%s" % (number, text, done.stdout))
print("%d configurations, %d bad" % (len(shown), failed))
sys.exit(1 if failed else 0)
