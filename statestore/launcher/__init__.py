"""What `make run` starts: the embedded Statestore on one machine, with everything it needs."""
