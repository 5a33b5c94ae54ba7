"""What does not learn is computed once: the cut, and what is kept."""
