"""Who makes certificates where no deployment does. May use the words."""
