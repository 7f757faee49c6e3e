"""What each kind of run does, once it has a process of its own: finetune, unlearn, evaluate."""
