"""Joins small parts of bytes into pieces worth a system call. Pure."""

PIECE_BYTES_MIN = 16 << 10  # from this size on, a part is worth a system call of its own, rather than a copy
#: PyPy keeps bytes above 135,168 in memory of their own, which only a major collection gives back.
PIECE_BYTES_MAX = 128 << 10


def pieces(parts):
    """[bytes, ...] -> [bytes, ...], the same: large parts as they are, small ones joined up to PIECE_BYTES_MAX."""
    joined = []
    waiting = []
    size = 0
    for part in parts:
        if waiting and (len(part) >= PIECE_BYTES_MIN or size + len(part) > PIECE_BYTES_MAX):
            joined.append(waiting[0] if len(waiting) == 1 else b"".join(waiting))
            waiting = []
            size = 0
        if len(part) >= PIECE_BYTES_MIN:
            joined.append(part)
        else:
            waiting.append(part)
            size += len(part)
    if waiting:
        joined.append(waiting[0] if len(waiting) == 1 else b"".join(waiting))
    return joined
