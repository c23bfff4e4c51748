"""What AEP does after its 200: validates once more, stores what passes, and keeps what fails in failed batches."""
