"""Who has a mailbox on every server, and the passwords."""

USERS = ("alice", "bob", "carol@example.org")


def password(user: str) -> str:
    return "secret-" + user.partition("@")[0]
