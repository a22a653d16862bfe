"""One module per question. Each has ``section(reader, ...)``, None where the store cannot answer it."""
