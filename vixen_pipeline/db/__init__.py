"""PostgreSQL: typed models, one transaction per edge, migrations, the embedded server."""
