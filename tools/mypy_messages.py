"""A mypy plugin: a class under @message is an attrs class, and u8() to rows() make its fields."""

from mypy.plugin import Plugin
from mypy.plugins.attrs import attr_attrib_makers, attr_define_makers

attr_define_makers.add("protocol.messages.message")
attr_attrib_makers.update(
    "protocol.messages." + name for name in ("u8", "u32", "i64", "text", "binary", "rows", "_field")
)


def plugin(version):
    return Plugin
