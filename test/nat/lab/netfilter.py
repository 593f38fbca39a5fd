"""What the laboratory needs of the kernel's packet filter and no command gives: speaks nfnetlink, with the standard library alone.

  netfilter.py delay JITTER_MS LOSS_PERCENT DELAY_MS [DELAY_MS ...]
      Holds every packet of NFQUEUE 0 back for the first delay, of NFQUEUE 1 for the second and so on, in the network namespace it
      is started in. Goes into the background once the queues are set up, and ends when its namespace is taken down (by a signal).
  netfilter.py forget
      Empties the connection tracking of this namespace: a router that was switched off and on again.
"""

import heapq
import os
import random
import select
import socket
import struct
import sys
import time

NETLINK_NETFILTER = 12
SO_RCVBUFFORCE = 33
SOL_NETLINK = 270
NETLINK_NO_ENOBUFS = 5
NLM_F_REQUEST, NLM_F_ACK = 1, 4
NLMSG_ERROR = 2

# linux/netfilter/nfnetlink.h, nfnetlink_queue.h and nfnetlink_conntrack.h
CTNETLINK, QUEUE = 1, 3
IPCTNL_MSG_CT_DELETE = 2
NFQNL_MSG_VERDICT, NFQNL_MSG_CONFIG = 1, 2
NFQA_VERDICT_HDR = 2
NFQA_CFG_CMD, NFQA_CFG_PARAMS, NFQA_CFG_QUEUE_MAXLEN, NFQA_CFG_MASK, NFQA_CFG_FLAGS = 1, 2, 3, 4, 5
NFQNL_CFG_CMD_BIND = 1
NFQNL_COPY_META = 1
NFQA_CFG_F_GSO = 4
NF_DROP, NF_ACCEPT = 0, 1

# Where the number of the queue and the id of a packet stand: in the header of nfnetlink, which follows the one of netlink (16
# bytes), and after that of the first attribute.
QUEUE_NUMBER = 18
PACKET_ID = 24


def attribute(kind, data):
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + bytes(-size % 4)


def message(subsystem, kind, flags, resource, body):
    payload = struct.pack("=BB", socket.AF_UNSPEC, 0) + struct.pack("!H", resource) + body
    return struct.pack("=IHHII", 16 + len(payload), subsystem << 8 | kind, flags, 0, 0) + payload


def request(sock, subsystem, kind, resource, body):
    sock.send(message(subsystem, kind, NLM_F_REQUEST | NLM_F_ACK, resource, body))
    answer = sock.recv(65536)
    error = -struct.unpack_from("=i", answer, 16)[0]
    if struct.unpack_from("=H", answer, 4)[0] != NLMSG_ERROR or error != 0:
        raise OSError(error, os.strerror(error))


def open_netlink():
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.bind((0, 0))
    return sock


def open_queues(count):
    sock = open_netlink()
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.setsockopt(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
    gso = struct.pack("!I", NFQA_CFG_F_GSO)
    settings = [
        attribute(NFQA_CFG_CMD, struct.pack("=BBH", NFQNL_CFG_CMD_BIND, 0, 0)),
        # Only what is told about a packet: its bytes stay in the kernel.
        attribute(NFQA_CFG_PARAMS, struct.pack("!IB", 0, NFQNL_COPY_META)),
        attribute(NFQA_CFG_QUEUE_MAXLEN, struct.pack("!I", 65536)),
        attribute(NFQA_CFG_FLAGS, gso) + attribute(NFQA_CFG_MASK, gso),
    ]
    for queue in range(count):
        for setting in settings:
            request(sock, QUEUE, NFQNL_MSG_CONFIG, queue, setting)
    sock.setblocking(False)
    return sock


def delay(jitter_s, loss, delays_s):
    sock = open_queues(len(delays_s))
    if os.fork() != 0:
        return
    # Whoever reads what the shell says that started us does not wait for us.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    try:
        # Whoever else wants the processor, the network goes on.
        os.nice(-15)
    except OSError:
        pass
    held = []
    # Two packets of the same due time leave in the order they came in; jitter alone may change it.
    arrivals = 0
    while True:
        timeout = None if not held else max(0, held[0][0] - time.monotonic())
        ready, _, _ = select.select([sock], [], [], timeout)
        now = time.monotonic()
        while ready:
            try:
                packet = sock.recv(4096)
            except BlockingIOError:
                break
            verdict = NF_DROP if loss and random.random() < loss else NF_ACCEPT
            arrivals += 1
            queue = struct.unpack_from("!H", packet, QUEUE_NUMBER)[0]
            due = now + delays_s[queue] + (random.random() * jitter_s if jitter_s else 0)
            heapq.heappush(held, (due, arrivals, queue, verdict, packet[PACKET_ID : PACKET_ID + 4]))
        out = []
        while held and held[0][0] <= now:
            _, _, queue, verdict, packet_id = heapq.heappop(held)
            header = struct.pack("!I", verdict) + packet_id
            out.append(message(QUEUE, NFQNL_MSG_VERDICT, NLM_F_REQUEST, queue, attribute(NFQA_VERDICT_HDR, header)))
        # A datagram of netlink may hold many messages, but not without end.
        for i in range(0, len(out), 256):
            sock.send(b"".join(out[i : i + 256]))


def main(args):
    if args[:1] == ["delay"] and len(args) >= 4:
        jitter, loss, *delays = map(float, args[1:])
        delay(jitter / 1000, loss / 100, [ms / 1000 for ms in delays])
    elif args == ["forget"]:
        request(open_netlink(), CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, b"")
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
