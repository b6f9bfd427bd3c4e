# SPDX-License-Identifier: Apache-2.0
"""The agent's operation ``over_time``: what single moments don't show, for half a minute and at a bounded pace.

over_time {"places": [[host, port, whether an echo server answers there]...], "seconds": s, "every": s, "timeout": s, "idle": s,
           "together": connections, "size": bytes}
      Each place: a connection every so many seconds. Echo servers besides: two connections that are used again after they were
      idle, each beside a new one; twice so many connections held at once; twice an answer of that size.
      -> {"samples": [["ok", ms, [{"looks": [[s since the start, s begun late, word, ms]...], "idle": [[word, word of a new
         one]...], "together": [[asked, answered]...], "bulk": [[bytes, ms]...]}, in the order of the places...]]]}
"""

import select
import socket
import threading
import time

from kubectl_netdoc.agent.base import OPERATIONS, PACE, OutOfTime, outcome, received, tcp_connection

USED = 1024
TOGETHER_WAIT, BULK_WAIT = 1.0, 3.0


class Place:
    """One target, and what is seen of it."""

    def __init__(self, host, port, echoes):
        self.to, self.echoes = (host, port), echoes
        self.found = {"looks": [], "idle": [], "together": [], "bulk": []}  # type: ignore[var-annotated]

    def opened(self, timeout):
        """A connection; of an echo server one that has sent its line."""
        PACE.wait(*self.to)
        sock = tcp_connection(*self.to, timeout)
        try:
            end = time.perf_counter() + timeout
            data = b"" if self.echoes else b"\n"
            while b"\n" not in data:
                data += received(sock, end)
            return sock
        except OSError:
            sock.close()
            raise

    def look(self, start, due, timeout):
        """Connect once, at a time."""
        time.sleep(max(0.0, start + due - time.perf_counter()))
        began = time.perf_counter()
        try:
            self.opened(timeout).close()
            word = "ok"
        except OSError as error:
            word = outcome(error)
        row = [round(began - start, 3), round(began - start - due, 3), word, (time.perf_counter() - began) * 1000]
        self.found["looks"].append(row)

    def looks(self, start, first, ask):
        """Connect again and again."""
        due = first
        while due < ask["seconds"]:
            self.look(start, due, ask["timeout"])
            due += ask["every"]

    def idle(self, first, ask):
        """Use a connection that was idle, then a new one, in the same way."""
        time.sleep(first)
        try:
            sock = self.opened(2.0)
        except OSError:
            return  # others tell that
        with sock:
            time.sleep(ask["idle"])
            word = used(sock)
        try:
            with self.opened(2.0) as sock:
                fresh = used(sock)
        except OSError as error:
            fresh = outcome(error)
        self.found["idle"].append([word, fresh])

    def together(self, count):
        """Hold so many connections at once and count those that were answered."""
        waiting, held, came = set(), [], 0
        for _ in range(count):
            PACE.wait(*self.to)
            sock = socket.socket(socket.AF_INET6 if ":" in self.to[0] else socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.connect_ex(self.to)
            held.append(sock)
            waiting.add(sock)
        end = time.perf_counter() + TOGETHER_WAIT
        while waiting and time.perf_counter() < end:
            for sock in select.select(list(waiting), [], [], max(0.0, end - time.perf_counter()))[0]:
                waiting.discard(sock)
                try:
                    came += bool(sock.recv(512))
                except OSError:
                    pass
        for sock in held:
            sock.close()
        self.found["together"].append([count, came])

    def bulk(self, size):
        """Ask for a large answer, and note how much of it came and when."""
        got, start = 0, time.perf_counter()
        try:
            with self.opened(2.0) as sock:
                sock.sendall(b"%d\n" % size)
                start = time.perf_counter()
                while got < size:
                    got += len(received(sock, start + BULK_WAIT))
        except OSError:
            pass
        self.found["bulk"].append([got, (time.perf_counter() - start) * 1000])


def used(sock):
    """Whether a connection to an echo server answers: the word for what came of it."""
    try:
        sock.settimeout(2.0)
        sock.sendall(b"%d\n" % USED)
        end, got = time.perf_counter() + 2.0, 0
        while got < USED:
            got += len(received(sock, end))
        return "ok"
    except OSError as error:
        return outcome(error)


def heavy(places, start, ask):
    """Twice, in the first and in the second half: many at once and large answers, one place after the other."""
    for half in (0, 1):
        time.sleep(max(0.0, start + half * ask["seconds"] / 2 - time.perf_counter()))
        for place in places:
            place.together(ask["together"])
        for place in places:
            place.bulk(ask["size"])


def over_time(ask, deadline):
    """Operation ``over_time``."""
    if deadline - time.monotonic() < ask["seconds"] + 2:
        raise OutOfTime
    places = [Place(*place) for place in ask["places"]]
    echoes, start = [place for place in places if place.echoes], time.perf_counter()
    threads = [
        threading.Thread(target=place.looks, args=(start, number * ask["every"] / len(places), ask))
        for number, place in enumerate(places)
    ]
    threads += [threading.Thread(target=place.idle, args=(first, ask)) for place in echoes for first in (0.0, 3.0)]
    threads += [threading.Thread(target=heavy, args=(echoes, start, ask))]
    for thread in threads:
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {"samples": [["ok", (time.perf_counter() - start) * 1000, [place.found for place in places]]]}


OPERATIONS.update({"over_time": over_time})
