"""What is minimised: γ · forget term + α · retain term + λ · regulariser, each a pure function of what is seen."""
