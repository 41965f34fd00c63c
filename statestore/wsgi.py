"""What a web server loads: the application, and nothing else runs in its processes.

A task that calls the application in its own process loads that alone: what lives there is the task's.
"""

import gc

from statestore.application import application

__all__ = ["application"]

# What is loaded by now stays. To go through it again and again would stop all threads for some 50 ms each
# time.
gc.collect()
gc.freeze()
