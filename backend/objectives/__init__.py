"""What is minimised: γ · forget term + α · retain term + λ · regulariser, each a pure function of what it may look at."""
