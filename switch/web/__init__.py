"""Pages for people at the edge: what the counter's and the public page share.

May use the client, the words, and Starlette and Jinja2 of the extra that installs them.
Nothing here reads a ledger: whatever is shown comes over the wire.
"""
