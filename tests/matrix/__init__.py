"""Every way an MTA can ask, in every state of poplock: who may relay, and does local mail pass.

`scripts/matrix` prints the table; `tests/servers/test_matrix.py` holds each cell against what the
contract promises. A *route* (`routes/`) is one MTA asking in one way; `states` is what happens to
poplock, in the order of the table; the replies are those of the real MTA to a real client.
"""
