"""identityMap: which identities may stand in it, and which is primary."""
