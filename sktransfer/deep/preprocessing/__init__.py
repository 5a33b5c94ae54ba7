"""Images, sounds and texts made what networks take."""
