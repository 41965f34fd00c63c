"""What a web server loads: the application, and nothing else runs in its processes.

A task that calls the application in its own process loads that alone: what lives there is the task's.
"""

import gc
import resource
from contextlib import suppress

from statestore.application import application

__all__ = ["application"]

# What is loaded by now stays. To go through it again and again would stop all threads for some 50 ms each
# time.
gc.collect()
gc.freeze()

# Each client holds a file descriptor, and out of them the server could take nobody any more.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
_wanted = 65_536 if _hard == resource.RLIM_INFINITY else min(_hard, 65_536)
if _soft != resource.RLIM_INFINITY and _soft < _wanted:
    with suppress(ValueError, OSError):  # where no process may have so many
        resource.setrlimit(resource.RLIMIT_NOFILE, (_wanted, _hard))
