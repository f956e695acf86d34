import attrs
import psycopg2
import pytest

from persistence.migrate import Migration, SchemaError, migrate, read_migrations
from tests.postgres import drop_database, fresh_database, query, url_of


@pytest.fixture
def empty(postgres):
    """Address of a database with nothing in it."""
    name = fresh_database(postgres, "template0")
    yield url_of(postgres, name)
    drop_database(postgres, name)


ONE = Migration(1, "one", "CREATE TABLE one (a integer)")
TWO = Migration(2, "two", "CREATE TABLE two (a integer); INSERT INTO two VALUES (1)")


def test_migrations_are_applied_once_in_order(empty):
    assert migrate(empty, [ONE]) == [ONE]
    assert migrate(empty, [ONE, TWO]) == [TWO]
    assert migrate(empty, [ONE, TWO]) == []
    assert query(empty, "SELECT a FROM two") == [(1,)]
    assert query(empty, "SELECT version, name FROM schema_migrations ORDER BY 1") == [(1, "one"), (2, "two")]


def test_our_own_apply_to_an_empty_database(empty):
    assert migrate(empty) == read_migrations()
    assert query(empty, "SELECT count(*) FROM orders") == [(0,)]


def test_one_that_was_edited_is_refused(empty):
    migrate(empty, [ONE])
    edited = attrs.evolve(ONE, sql=ONE.sql + " -- a comment")
    with pytest.raises(SchemaError, match="0001_one was changed after it was applied"):
        migrate(empty, [edited, TWO])
    assert query(empty, "SELECT to_regclass('two')") == [(None,)]


def test_a_newer_schema_is_refused(empty):
    migrate(empty, [ONE, TWO])
    with pytest.raises(SchemaError, match="schema version 2, of a newer version of this program, which knows 1"):
        migrate(empty, [ONE])


def test_one_that_fails_leaves_nothing_of_itself(empty):
    broken = Migration(2, "broken", "CREATE TABLE two (a integer); SELECT 1 / 0")
    with pytest.raises(psycopg2.errors.DivisionByZero):
        migrate(empty, [ONE, broken])
    assert query(empty, "SELECT to_regclass('one')::text, to_regclass('two')::text") == [("one", None)]
    assert migrate(empty, [ONE, TWO]) == [TWO]


def test_a_number_left_out_is_seen(tmp_path):
    (tmp_path / "0001_one.sql").write_text("SELECT 1")
    (tmp_path / "0003_three.sql").write_text("SELECT 3")
    with pytest.raises(SchemaError, match="0003_three.sql: migration 2 should follow"):
        read_migrations(tmp_path)
