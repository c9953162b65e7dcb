"""Real local servers that tests talk to: they play a script, keep what they were asked, and misbehave on demand."""
