"""Everything that touches a model or a benchmark: what can be asked for, and what carries it out."""
