"""What AEP did after its 200: failed batches and their records."""
