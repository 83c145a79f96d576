# SPDX-License-Identifier: GPL-2.0-only
"""guest_echo.py smc|rds server|client ADDRESS PORT [PEER]: blocks that come back as sent.

Runs in guests. The client ends with status 0 when every byte was right, and prints how
many it sent.
"""

import random
import socket
import sys
import time

IPPROTO_SMC = 256
AF_RDS = 21
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
SIZES = [1, 100, 4096, 5000, 65536, 100001, 262144] * 3


def read(conn, size):
    """Exactly so many bytes of a stream."""
    data = bytearray()
    while len(data) < size:
        part = conn.recv(size - len(data))
        if not part:
            raise EOFError(f"{len(data)} of {size} bytes")
        data += part
    return bytes(data)


def smc(role, address, port, peer):
    """(send, receive) of a stream over SMC."""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SMC)
    if role == "server":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen(1)
        print("ready", flush=True)
        s, _ = s.accept()
    else:
        s.connect((peer, port))
    return s.sendall, lambda size: read(s, size)


def rds(role, address, port, peer):
    """(send, receive) of reliable datagrams."""
    s = socket.socket(AF_RDS, socket.SOCK_SEQPACKET)
    for option in (SO_SNDBUFFORCE, SO_RCVBUFFORCE):
        s.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
    s.bind((address, port))
    other = (peer, port)
    if role == "server":
        print("ready", flush=True)

    def receive(size):
        nonlocal other
        data, other = s.recvfrom(size)
        return data

    return lambda data: s.sendto(data, other), receive


def main():
    """Echo, or ask for it."""
    kind, role, address, port, *peer = sys.argv[1:]
    send, receive = {"smc": smc, "rds": rds}[kind](role, address, int(port), *peer or [None])
    rnd, total = random.Random(7), 0
    for size in SIZES:
        block = rnd.randbytes(size)
        if role == "client":
            send(block)
        if receive(size) != block:
            sys.exit(f"block of {size} bytes differs")
        if role == "server":
            send(block)
        total += size
    print(total, flush=True)
    time.sleep(1)               # what was sent last is on its way


main()
