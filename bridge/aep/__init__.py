"""What Adobe Experience Platform speaks: tokens, collection requests, and how their answers are read."""
