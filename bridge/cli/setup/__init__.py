"""``aep-bridge setup``: set Adobe Experience Platform up for a route."""
