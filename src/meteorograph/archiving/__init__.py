"""Seals months into Parquet files, looks whether the files are intact, and brings their rows back."""
