"""What `chainrule train` does under mpiexec: what ends one rank ends all, and is said once."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chainrule.cli.console import complain
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.parallel import Ranks


@contextlib.contextmanager
def together(ranks: Ranks) -> Iterator[None]:
    """Let ranks that end alike go on to their end; end them all where one ends alone, as the others would wait for it.

    What all come to, rank 0 says. A rank that is alone says itself what went wrong.
    """
    try:
        yield
    except BaseException as error:
        if ranks.size > 1 and not ranks.meet():
            what = str(error) if isinstance(error, ChainruleError) else "".join(traceback.format_exception(error))
            complain(f"Rank {ranks.rank} of {ranks.size}, and so all of them: {what}", speak=True)
            ranks.abort(getattr(error, "exit_code", 1))
        raise
