"""Model folders: what they say, and how one is written."""
