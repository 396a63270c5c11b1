"""Files of known kinds that no source reads, and how to convert them."""

from __future__ import annotations

from pathlib import Path

_CSV = "save it as CSV (UTF-8) in the program that made it, and push that"
_UNREAD = {
    ".doc": (
        "a Word document",
        "save its tables as CSV, or push it unchanged with `kind` files",
    ),
    ".docx": (
        "a Word document",
        "save its tables as CSV, or push it unchanged with `kind` files",
    ),
    ".rtf": (
        "an RTF document",
        "save its text as .txt, or push it unchanged with `kind` files",
    ),
    ".pptx": ("a PowerPoint file", "push it unchanged with `kind` files"),
    ".mdb": (
        "a Microsoft Access database",
        "export each table as CSV (mdb-export FILE TABLE)",
    ),
    ".accdb": ("a Microsoft Access database", "export each table as CSV"),
    ".dbf": ("a dBase file", _CSV),
    ".rds": ("an R object", "write it in R with arrow::write_parquet or write.csv"),
    ".rda": (
        "an R workspace",
        "write each table in R with arrow::write_parquet or write.csv",
    ),
    ".rdata": (
        "an R workspace",
        "write each table in R with arrow::write_parquet or write.csv",
    ),
    ".mat": ("a MATLAB file", "write it in MATLAB with parquetwrite or writetable"),
    ".h5": (
        "an HDF5 file",
        "write each table as Parquet, or push it unchanged with `kind` files",
    ),
    ".hdf5": (
        "an HDF5 file",
        "write each table as Parquet, or push it unchanged with `kind` files",
    ),
    ".nc": ("a NetCDF file", "push it unchanged with `kind` files"),
    ".npz": ("a NumPy archive", "push it unchanged with `kind` files"),
    ".pkl": (
        "a Python pickle, which runs code when it is read",
        "write it with to_parquet",
    ),
    ".sas7bcat": (
        "a SAS catalogue of formats",
        "push the data file; labels are not read from here",
    ),
    ".duckdb": ("a DuckDB database", "COPY TABLE TO 'FILE.parquet' in DuckDB"),
    ".xml": ("an XML file", "convert its records to CSV or JSON Lines"),
    ".tar": ("an archive of several files", "unpack it, and push the folder"),
    ".tgz": ("an archive of several files", "unpack it, and push the folder"),
    ".7z": ("an archive", "unpack it, and push the folder"),
    ".rar": ("an archive", "unpack it, and push the folder"),
}


def how_to_convert(path: Path) -> tuple[str, str] | None:
    """Return what a file is and how to convert it; None if its suffix says nothing."""
    found = _UNREAD.get(path.suffix.lower())
    if found is None:
        return None
    what, way_out = found
    return f"this is {what}, which is not read ({path.suffix.lower()})", way_out
