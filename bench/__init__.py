"""Measures what a request costs the server: processor time, requests a second, p50, p99, errors.

It drives servers from outside, over HTTP only; nothing here imports awning.
"""
