"""External systems, one module each: job classes that no crash of a worker makes submit twice."""
