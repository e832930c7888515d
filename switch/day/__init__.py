"""A whole March day, replayed over the wire and proved.

May use `client`, `console`, `sample`, `simulator`, `authority`, `v1` and the words.
"""
