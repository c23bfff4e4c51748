"""From the values of the rows to the object that a mapping gives: the tree of destinations, the statements that build it, what they call."""
