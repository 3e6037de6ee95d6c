"""Files from outside: how they are opened and read, what they are, and where they are written."""
