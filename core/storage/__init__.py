"""The only room that speaks SQL: one DuckDB file, one module per noun."""
