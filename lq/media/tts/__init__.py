"""Text to speech: what is spoken that is not shipped, and the tools that made what is shipped."""
