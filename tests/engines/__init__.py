"""External systems, started for tests on this machine: one module each.

Each has a class with `start`, `stop` and `restart`, on loopback and free ports, with its state below a
temporary folder. It ends only the processes that it has started. What the machine lacks is told by
`tests.missing`; `make engines` installs it.
"""
