"""Files of known kinds that no source reads, and how to convert them."""

from __future__ import annotations

from pathlib import Path

_CSV = "save it as CSV (UTF-8) in the program that made it, and push that"
_UNCHANGED = "push it unchanged with `kind` files"
_ACCESS = "a Microsoft Access database"
_R = "write each table in R with arrow::write_parquet or write.csv"
_UNPACK = "unpack it, and push the folder"
_UNREAD = {
    **dict.fromkeys(
        (".doc", ".docx"),
        ("a Word document", f"save its tables as CSV, or {_UNCHANGED}"),
    ),
    ".rtf": ("an RTF document", f"save its text as .txt, or {_UNCHANGED}"),
    ".pptx": ("a PowerPoint file", _UNCHANGED),
    ".mdb": (_ACCESS, "export each table as CSV (mdb-export FILE TABLE)"),
    ".accdb": (_ACCESS, "export each table as CSV"),
    ".dbf": ("a dBase file", _CSV),
    ".rds": ("an R object", "write it in R with arrow::write_parquet or write.csv"),
    **dict.fromkeys((".rda", ".rdata"), ("an R workspace", _R)),
    ".mat": ("a MATLAB file", "write it in MATLAB with parquetwrite or writetable"),
    **dict.fromkeys(
        (".h5", ".hdf5"),
        ("an HDF5 file", f"write each table as Parquet, or {_UNCHANGED}"),
    ),
    ".nc": ("a NetCDF file", _UNCHANGED),
    ".npz": ("a NumPy archive", _UNCHANGED),
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
    **dict.fromkeys((".tar", ".tgz"), ("an archive of several files", _UNPACK)),
    **dict.fromkeys((".7z", ".rar"), ("an archive", _UNPACK)),
}


def how_to_convert(path: Path) -> tuple[str, str] | None:
    """Return what a file is and how to convert it; None if its suffix says nothing."""
    found = _UNREAD.get(path.suffix.lower())
    if found is None:
        return None
    what, way_out = found
    return f"this is {what}, which is not read ({path.suffix.lower()})", way_out
