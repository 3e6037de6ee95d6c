"""Files from outside: opening, reading, recognising and writing them."""
