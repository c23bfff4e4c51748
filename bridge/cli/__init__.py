"""The command line ``aep-bridge``: data on stdout, words on stderr; exit 0 fine, 1 the input or remote side is wrong, 2 usage.

A command imports what it needs when it runs, so that ``--help`` and completion are quick.
"""
