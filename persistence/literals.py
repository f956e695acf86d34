"""Text as Postgres reads it inside an array literal. Pure."""

NULL = "NULL"


def quoted(text):
    """-> an element of an array literal. Postgres has no character 0: it becomes U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def array(column):
    """-> the array literal of a column: ints, numbers as text, words, quoted() text and NULL."""
    return "{%s}" % ",".join(map(str, column))
