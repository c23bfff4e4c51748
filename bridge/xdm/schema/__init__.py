"""An XDM schema, compiled to checks of the events that leave."""
