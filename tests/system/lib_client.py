# SPDX-License-Identifier: GPL-2.0-only
"""mhca-host: instances driven from the host, as a process or to its end."""

import json
import subprocess


class Client:
    """A running mhca-host command; ends when its standard input is closed."""

    all = []            # for conftest.py: a failing test must not leave one behind

    def __init__(self, host, *args):
        self.proc = subprocess.Popen(
            [host.program("mhca-host"), *map(str, args)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        Client.all.append(self)
        self.first = self.proc.stdout.readline().strip()
        if not self.first:
            raise AssertionError(f"mhca-host {args[0]}: {self.finish()[2]}")

    @property
    def pid(self):
        """Its process id."""
        return self.proc.pid

    def finish(self, timeout=120):
        """Close its input and wait; (status, output, errors)."""
        try:
            out, err = self.proc.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            out, err = self.proc.communicate()
        return self.proc.returncode, out, err

    def result(self, timeout=120):
        """The JSON line it ends with; it must have succeeded."""
        status, out, err = self.finish(timeout)
        assert status == 0, f"{err}\n{out}"
        return json.loads(out.strip().splitlines()[-1])

    def kill(self):
        """kill -9."""
        self.proc.kill()
        self.proc.communicate()


def run(host, *args, timeout=300):
    """Run mhca-host; its output lines. Raises with its errors when it fails."""
    p = subprocess.run([host.program("mhca-host"), *map(str, args)], text=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                       check=False)
    assert p.returncode == 0, f"{p.stderr}\n{p.stdout}"
    return p.stdout.splitlines()
