"""Text that comes from elsewhere (names, files, answers, errors), made safe to show.

A terminal obeys escape sequences wherever they stand, and a page's reader trusts the order of letters that a
bidirectional override turns round: such characters are shown by their numbers.
"""

from __future__ import annotations

import re
from typing import Final

_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN: Final = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff{_BIDI}\ud800-\udfff]")
_KEPT: Final = "\n\t"


def printable(text: object, *, lines: bool = False) -> str:
    """``text`` with control characters, bidirectional overrides and lone surrogates by number, ``\\x1b``.

    Line ends and tabs are kept where it may have several ``lines``.
    """
    return _UNSEEN.sub(lambda found: _escape(found.group(), lines=lines), str(text))


def _escape(sign: str, *, lines: bool) -> str:
    if lines and sign in _KEPT:
        return sign
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
