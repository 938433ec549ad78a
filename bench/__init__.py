"""Benchmarks: each file asks one question and measures its answer against a peer or a limit."""
