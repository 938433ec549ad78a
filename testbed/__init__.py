"""Real mail servers side by side, each in an overlay root of Debian 12 or 13 with its own network.

`roots` makes and caches the roots, `host` runs one, `servers` configures what runs in it, and
`clients` log in and send from addresses of their own. Needs root; touches nothing of the machine
but its cache (/var/cache/smtp-poplock, or $POPLOCK_CACHE).
"""
