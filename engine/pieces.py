"""Joins small parts of bytes into pieces worth a system call. Pure."""

#: PyPy keeps bytes above 135,168 in memory of their own, which only a major collection gives back.
PIECE_BYTES_MAX = 128 << 10


def pieces(parts):
    """[bytes, ...] -> [bytes, ...], the same in as few pieces as fit PIECE_BYTES_MAX (a larger part stays one)."""
    joined = []
    waiting = []
    size = 0
    for part in parts:
        if size + len(part) > PIECE_BYTES_MAX and waiting:
            joined.append(waiting[0] if len(waiting) == 1 else b"".join(waiting))
            waiting = []
            size = 0
        waiting.append(part)
        size += len(part)
    if waiting:
        joined.append(waiting[0] if len(waiting) == 1 else b"".join(waiting))
    return joined
