"""What the process gives: threads, and compiled code with its cache."""
