"""Thousands of files with one command: which, where to, by whom, what came of each, and what to go on with."""
