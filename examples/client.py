# SPDX-License-Identifier: MIT
"""Calls examples/listener.c, as examples/client.c does: in Python, whose
messages are the same. Values are MessagePack: with the module msgpack they
would be msgpack.unpackb(conn.recv_bytes()); these few are put together by hand.

    client.py PATH
"""
import sys
from multiprocessing.connection import Client

LIST_OF_TWO = b"\x92"
INTEGER = b"\xcd"  # and two bytes

with Client(sys.argv[1], "AF_UNIX") as conn:
    print("the listener says", conn.recv_bytes())
    conn.send_bytes(LIST_OF_TWO + INTEGER + (42).to_bytes(2, "big") +
                    INTEGER + (1729).to_bytes(2, "big"))
    answer = conn.recv_bytes()
    print("and answers", answer)
    print("the sum of 2 numbers is", int.from_bytes(answer[-2:], "big"))
