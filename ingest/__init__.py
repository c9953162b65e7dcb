"""Turn an archive of files into a searchable index: sources, parse, chunk, embed, write."""
