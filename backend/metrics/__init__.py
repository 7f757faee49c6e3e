"""What an answer is worth: is the fact in it, how likely was the truth, and how sure can one be of the average."""
