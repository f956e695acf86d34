"""LOBSTER's files: what is read, and what is refused with file and line."""

import gzip

import pytest

from protocol.messages import Side
from tools.market.lobster import DataError, Message, Row, find_data_sets, parse_message, parse_row, undo

MESSAGES = "34200.004241176,1,16113575,18,5853300,1\n34200.5,3,16113575,18,5853300,1\n"
BOOK = "5859400,200,5853300,18,9999999999,0,5853000,150"


def test_a_message_has_nanoseconds_and_the_side_of_the_resting_order():
    line = "34200.00426064,4,7,18,5853300,-1"
    assert parse_message(line.split(",")) == Message(34_200_004_260_640, 4, 7, 18, 5_853_300, Side.SELL)


def test_a_time_without_decimals_is_read():
    assert parse_message(["34200", "1", "7", "18", "5853300", "1"]).time_ns == 34_200_000_000_000


def test_dummies_of_a_row_are_dropped():
    assert parse_row(BOOK.split(",")) == Row([(5853300, 18), (5853000, 150)], [(5859400, 200)])


@pytest.mark.parametrize(
    "kind, size, bids",
    [(1, 10, [(100, 5)]), (1, 15, []), (3, 5, [(100, 20)]), (4, 5, [(100, 20)]), (5, 5, [(100, 15)])],
)
def test_undo_gives_the_book_before_the_message(kind, size, bids):
    assert undo(Row([(100, 15)], []), Message(0, kind, 7, size, 100, Side.BUY)) == Row(bids, [])


def test_undo_of_more_than_there_is_is_refused():
    with pytest.raises(DataError, match="more than the book has"):
        undo(Row([(100, 15)], []), Message(0, 1, 7, 16, 100, Side.BUY))


@pytest.mark.parametrize("bad", ["", "1,2,3", "x,1,1,1,1,1", "1,1,1,1,1,0", "1,1,1,1.5,1,1"])
def test_a_bad_message_is_named_by_file_and_line(tmp_path, bad):
    (tmp_path / "T_message_1.csv").write_text(MESSAGES + bad + "\n")
    (tmp_path / "T_orderbook_1.csv").write_text(BOOK + "\n")
    with pytest.raises(DataError, match="T_message_1.csv, line 3: "):
        find_data_sets(str(tmp_path))


def test_a_bad_row_is_named_by_file_and_line():
    with pytest.raises(DataError, match="b.csv, line 9: not a LOBSTER order book row"):
        parse_row(["1", "2", "3"], ("b.csv", 9))


def test_gzip_files_of_best_prices_are_found(tmp_path):
    with gzip.open(str(tmp_path / "message_50.csv.gz"), "wt") as file:
        file.write(MESSAGES)
    with gzip.open(str(tmp_path / "bbo_expected_per_message.csv.gz"), "wt") as file:
        file.write("5859400,200,5853300,18\n5859400,200,5853000,150\n")
    (tmp_path / "book_50_after_message_1.csv").write_text(BOOK + "\n")
    (data_set,) = find_data_sets(str(tmp_path))
    assert (len(data_set.messages), data_set.levels, data_set.has_full_rows) == (2, 1, False)
    assert data_set.start == Row([(5853000, 150)], [(5859400, 200)])
    assert list(data_set.rows())[1] == Row([(5853000, 150)], [(5859400, 200)])
    assert list(data_set.deep_rows()) == []


def test_a_directory_of_directories_is_all_its_data_sets(tmp_path):
    for name in ("b", "a", "empty"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        (tmp_path / name / "T_message_2.csv").write_text(MESSAGES)
        (tmp_path / name / "T_orderbook_2.csv").write_text(BOOK + "\n" + BOOK + "\n")
    assert [(found.name, found.levels) for found in find_data_sets(str(tmp_path))] == [("a", 2), ("b", 2)]


def test_a_directory_without_data_is_refused(tmp_path):
    (tmp_path / "message_50.csv").write_text(MESSAGES)  # and no book to compare with
    with pytest.raises(DataError, match="no LOBSTER messages"):
        find_data_sets(str(tmp_path))


def test_a_damaged_zip_is_refused(tmp_path):
    (tmp_path / "T.zip").write_bytes(b"PK not a zip")
    with pytest.raises(DataError, match="T.zip"):
        find_data_sets(str(tmp_path))
