"""What is minimised: γ · forget term + α · retain term, each a pure function of answer log-probabilities."""
