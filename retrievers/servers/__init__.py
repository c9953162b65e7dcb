"""OpenSearch and Elasticsearch as engines: what they share here, what each does its own way in its own module."""
