"""Model folders: their layout and settings, how they are read, and how a new one is written."""
