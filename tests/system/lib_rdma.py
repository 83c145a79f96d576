# SPDX-License-Identifier: GPL-2.0-only
"""RDMA programs in guests: who listens, who connects, what they print."""

import itertools
import re

BIN = "/mhca/out/bin"

_ports = itertools.count(18700)


def device(guest):
    """The guest's RDMA device."""
    return guest.check("ls /sys/class/infiniband").split()[0]


def devinfo(guest):
    """`ibv_devinfo -v` as a dict; GIDs as the list "gids"."""
    text = guest.check("ibv_devinfo -v")
    info = {"text": text, "gids": re.findall(r"GID\[\s*\d+\]:\s*([0-9a-f:]+)", text)}
    for line in text.splitlines():
        key, sep, value = line.partition(":")
        if sep:
            info.setdefault(key.strip(), value.strip())
    return info


def exchange(server, client, command, timeout=120, client_args=""):
    """Run a client-server program; the outputs (client's, server's).

    `command` gets `-p PORT`, the client the server's address too. `server`
    and `client` may be the same guest. Both must end with status 0.
    """
    port = next(_ports)
    address = "127.0.0.1" if client is server else server.address
    job = server.start_bg(f"{command} -p {port}")
    server.check("i=0; until ss -Hltn | grep -q ':{0} '; do i=$((i+1)); "
                 "[ $i -lt 400 ] || exit 1; [ -e /run/bg/{1}.rc ] && cat /run/bg/{1}.out "
                 "&& exit 1; sleep 0.05; done".format(port, job.tag), 60)
    rc, out = client.run(f"{command} {client_args} -p {port} {address}", timeout)
    if rc:
        job.kill()
    server_rc, server_out = job.wait(30 if rc else timeout)
    assert (rc, server_rc) == (0, 0), (
        f"`{command}` ended with {rc} (client), {server_rc} (server)\n"
        f"--- client\n{out}\n--- server\n{server_out}")
    return out, server_out


def verify(server, client, tests, *, options="", timeout=600):
    """mhca-verify between two guests, or inside one when they are the same."""
    command = f"{BIN}/mhca-verify {options} -t '{tests}'"
    if server is client:
        rc, out = client.run(f"{command} -l", timeout)
        assert rc == 0, out
        return out
    return exchange(server, client, command, timeout)[0]


def verified(text):
    """(tests passed, messages, bytes) of mhca-verify's output."""
    passed = int(re.search(r"^(\d+) passed, 0 failed$", text, re.M)[1])
    lines = re.findall(r"^ok .*: (\d+) messages, (\d+) bytes", text, re.M)
    return passed, sum(int(m) for m, _ in lines), sum(int(b) for _, b in lines)


def number(word):
    """A printed number; NaN when the emulated clock made it something else."""
    try:
        return float(word)
    except ValueError:
        return float("nan")


def perftest_rows(text):
    """The result rows of a perftest program: bytes, iterations, then its figures."""
    rows = re.findall(r"^\s*(\d+)\s+(\d+)\s+(\S.*)$", text, re.M)
    return [[int(size), int(n), *map(number, rest.split())] for size, n, rest in rows]


def measured(run, tries=5):
    """What `run()` returns, a result row of perftest first, once the row has a rate or a time.

    In busy emulated guests perftest now and then prints zeros beside the right number of
    iterations, over rxe as well; why was not looked into (it counts TSC cycles).
    """
    for _ in range(tries):
        result = run()
        if 0 < result[0][4] < float("inf"):
            return result
    raise AssertionError(f"perftest measured nothing, {tries} times: {result[0]}")


def objects(instance):
    """How many objects of each kind it has."""
    return {k: v for k, v in instance.counters().items() if k.startswith("objects_")}


def assert_clean(instance):
    """The host holds nothing for this instance: no object, no pinned page."""
    left = {k: v for k, v in instance.counters().items() if v and
            (k == "pinned_pages" or k.startswith("objects_"))}
    assert not left, f"still held for the instance: {left}"
