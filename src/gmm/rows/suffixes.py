"""The suffixes by which files of rows are known."""

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".arrows", ".feather", ".ipc")
TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}  # of text, with the names that pyarrow has for them
