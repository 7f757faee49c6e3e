"""Vision-language models: how one is loaded, where its parts lie, and how a question becomes tensors."""
