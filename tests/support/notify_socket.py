# SPDX-License-Identifier: Apache-2.0
"""Stands in for systemd's notification socket.

    notify_socket.py SECONDS COMMAND...

Runs COMMAND with NOTIFY_SOCKET and a watchdog of 0.4 s, ends it with SIGTERM after SECONDS, and prints what it was
told, one line each in order of first coming: the assignment, how often, and "main" or "other" by who sent it. Exits
with COMMAND's code.
"""
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time


def receive(sock):
    text, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(struct.calcsize("3i")))
    pid = struct.unpack("3i", ancillary[0][2])[0]
    return text.decode().split("\n"), pid


def main():
    seconds, command = float(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "notify")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(path)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        sock.settimeout(0.05)
        child = subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
        told, until, asked = {}, time.monotonic() + seconds, False
        while True:
            ended = child.poll() is not None
            if not asked and time.monotonic() > until:
                child.send_signal(signal.SIGTERM)
                asked = True
            try:
                words, pid = receive(sock)
            except socket.timeout:
                if ended:
                    break
                continue
            for word in words:
                key = (word, "main" if pid == child.pid else "other")
                told[key] = told.get(key, 0) + 1
    for (word, sender), count in told.items():
        print(word, count, sender)
    return child.returncode


sys.exit(main())
