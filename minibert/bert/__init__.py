"""A BERT encoder as data: its numbers, the names and shapes of its tensors, eight bits a weight."""
