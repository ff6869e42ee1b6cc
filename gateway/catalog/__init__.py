"""The catalog: who, what and where, in SQL. It belongs to the gateway alone (design 3.3, section 4)."""
