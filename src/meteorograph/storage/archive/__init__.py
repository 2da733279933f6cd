"""Sealed months: which rows are in Parquet files instead of the table, and how they are read and brought back."""
