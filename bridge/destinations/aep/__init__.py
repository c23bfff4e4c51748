"""Adobe Experience Platform's collection endpoint."""
