"""The event contract: events in become entries; transitions become events out."""
