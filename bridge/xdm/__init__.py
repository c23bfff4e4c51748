"""ExperienceEvents: the rules an event must satisfy before it may leave."""
