# SPDX-License-Identifier: GPL-2.0-only
"""mhcactl and what belongs to it, installed on the host as its packages do."""

import json
import pathlib
import shutil
import subprocess

CALLOUTS = ("/usr/lib/mdevctl/scripts.d/callouts", "/etc/mdevctl.d/scripts.d/callouts")
HERE = pathlib.Path(__file__).resolve().parents[2]


class Tool:
    """The real mhcactl on the real host."""

    def __init__(self, host):
        built = pathlib.Path(host.program("mhcactl"))
        assert built.exists(), "mhcactl was not built"
        self.path = "/usr/sbin/mhcactl"
        # Also one that is still running.
        for old in (pathlib.Path(self.path), pathlib.Path("/usr/sbin/lib")):
            old.unlink(missing_ok=True)
        # Its library is found beside it.
        pathlib.Path("/usr/sbin/lib").symlink_to(built.parent / "lib")
        shutil.copy(built, self.path)
        for folder in CALLOUTS:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(HERE / "host-tools/mdevctl/mhca.sh", folder)

    def run(self, *args, timeout=60):
        """(status, output, errors)."""
        p = subprocess.run([self.path, *map(str, args)], text=True, stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=timeout, check=False)
        return p.returncode, p.stdout, p.stderr

    def __call__(self, *args, timeout=60):
        status, out, err = self.run(*args, timeout=timeout)
        assert status == 0, f"mhcactl {args}: {status}\n{err}\n{out}"
        return out

    def json(self, *args):
        """What it prints with --json."""
        return json.loads(self("--json", *args))
