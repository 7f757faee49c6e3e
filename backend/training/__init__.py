"""How weights move: one subclass of the Hugging Face Trainer, its plan of batches and its state on disk."""
