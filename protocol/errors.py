"""The two ways bytes can be wrong: the peer's fault closes one session, the disk's fault stops the process."""


class ProtocolError(Exception):
    """The peer broke the protocol; its session is closed with `code` (see messages.Code) and `text`."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
        self.text = text


class FieldError(Exception):
    """A well-formed message whose type or field cannot be taken; answered with `Refused`, the session goes on."""

    def __init__(self, request_id, code, text):
        super().__init__(text)
        self.request_id = request_id
        self.code = code
        self.text = text


class JournalCorrupt(Exception):
    """The journal holds bytes that were never written by a core; `where` names the file and offset."""

    def __init__(self, path, offset, text):
        super().__init__("%s at byte %d: %s" % (path, offset, text))
        self.path = str(path)
        self.offset = offset
        self.text = text
