"""stage: the inputs of a job are checked, frozen, and handed out to its pods by signed URLs."""
