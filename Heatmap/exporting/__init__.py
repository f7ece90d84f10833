"""Export of the record: tables (CSV, Parquet, NPZ) and a picture of the map, without a window and without Qt."""
