# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Every configuration that README.md shows is one that `wharfd -t` takes, once its folders and users are there."""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402

with open(os.path.join(wharf.SOURCE, "README.md")) as f:
    shown = re.findall(r"^```conf\n(.*?)^```$", f.read(), re.M | re.S)
if len(shown) < 3:
    sys.exit("README.md shows %d configurations, and there are three jobs" % len(shown))
failed = 0
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    for number, text in enumerate(shown, 1):
        # What the reader makes by the lines above it: folders, a users file, the system's users.
        for path in re.findall(r'"(/(?:srv|home|var)[^"%]*)"', text):
            made = folder + path
            os.makedirs(os.path.dirname(made) if path.endswith((".log", "xferlog")) else made, exist_ok=True)
            text = text.replace('"%s"' % path, '"%s"' % made)
        users = os.path.join(folder, "users")
        os.close(os.open(users, os.O_CREAT | os.O_WRONLY, 0o600))
        text = 'users_file = "%s"\nempty_directory = "%s/empty"\n' % (users, folder) + text
        if os.geteuid() == 0:
            text = 'run_as = "%s"\n' % wharf.RUN_AS + text
            if "anonymous_user" not in text:
                text = 'anonymous_user = "%s"\n' % wharf.ANONYMOUS + text
        text = re.sub(r"(\n\s*port = )21\b", r"\g<1>%d" % wharf.PORTS[0], text)
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
