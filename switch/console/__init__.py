"""How a command speaks: its words and its output. May use the words."""
