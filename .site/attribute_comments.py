"""Extension of Griffe: the comment behind an attribute, which has unit and meaning here, is its docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from griffe import Docstring, Extension

if TYPE_CHECKING:
    from griffe import Attribute


class AttributeComments(Extension):
    """Takes the comment on the line of an attribute that has no docstring."""

    def on_attribute_instance(self, *, attr: Attribute, **_: Any) -> None:
        """Set the docstring."""
        if attr.docstring is None and attr.lineno is not None and attr.lineno == attr.endlineno:
            _, mark, comment = attr.lines_collection[attr.filepath][attr.lineno - 1].rpartition("  # ")
            if mark and not comment.startswith(("noqa", "type:")):
                attr.docstring = Docstring(comment[0].upper() + comment[1:], parent=attr)
