"""Small parts are joined, large ones pass as they are, and nothing is lost or moved."""

from hypothesis import given
from hypothesis import strategies as st

from engine.pieces import PIECE_BYTES_MAX, PIECE_BYTES_MIN, pieces

SIZES = st.sampled_from([0, 1, 100, PIECE_BYTES_MIN - 1, PIECE_BYTES_MIN, 3 * PIECE_BYTES_MIN, PIECE_BYTES_MAX + 1])


@given(st.lists(SIZES, max_size=20))
def test_the_bytes_are_the_same_in_the_same_order(sizes):
    parts = [bytes([index]) * size for index, size in enumerate(sizes)]
    assert b"".join(pieces(parts)) == b"".join(parts)


def test_small_neighbours_become_one_piece():
    assert pieces([b"a", b"", b"bc"]) == [b"abc"]


def test_a_large_part_is_not_copied_and_divides_what_is_around_it():
    large = bytes(PIECE_BYTES_MIN)
    found = pieces([b"a", large, b"b", b"c"])
    assert found == [b"a", large, b"bc"]
    assert found[1] is large


def test_no_piece_of_small_parts_is_above_the_maximum():
    part = bytes(PIECE_BYTES_MIN - 1)
    assert [len(piece) <= PIECE_BYTES_MAX for piece in pieces([part] * 20)] == [True, True, True]
