"""The main job, shown on this machine's real files: `python -m examples.demo`."""
