"""Text as Postgres reads it inside an array literal. Pure."""

NULL = "NULL"


def quoted(text):
    """-> an element of an array literal. Postgres has no character 0: it becomes U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def texts_of_ints(column):
    """-> the elements of a column of ints and NULL, with commas. By repr, which takes half the time of joining them."""
    return repr(list(column))[1:-1].replace("'", "")


def texts_of_texts(column):
    """-> the elements of a column of numbers as text, words, quoted() text and NULL, with commas."""
    return ",".join(column)
