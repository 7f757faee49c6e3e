"""How the people of the demo benchmark are drawn: their looks in words, and the shapes that show them."""
