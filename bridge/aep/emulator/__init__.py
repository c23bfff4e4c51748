"""A local stand-in for IMS and the collection service that checks and answers as Adobe's documents say."""
