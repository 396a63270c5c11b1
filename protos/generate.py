"""Generates the Python code of the .proto files, or with --check says whether it is current."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PROTOS = sorted(ROOT.glob("sealift_protocol/v1/*.proto"))


def generate(out: Path) -> None:
    """Writes the Python code of every .proto below `out`."""
    arguments = [
        "protoc",
        f"--proto_path={ROOT}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={out}",
        f"--pyi_out={out}",
        f"--grpc_python_out={out}",
        *(str(path) for path in PROTOS),
    ]
    if protoc.main(arguments) != 0:
        sys.exit("protoc refused the .proto files; see above")
    # objects.proto has no service, so its _grpc module would be an empty shell.
    (out / "sealift_protocol/v1/objects_pb2_grpc.py").unlink()


def outdated() -> list[str]:
    """Names of generated files that differ from what the .proto files give now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = {
            p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*_pb2*")
        }
    return [
        str(name)
        for name, content in sorted(fresh.items())
        if not (ROOT / name).is_file() or (ROOT / name).read_bytes() != content
    ]


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if not current"
    )
    if not parser.parse_args().check:
        generate(ROOT)
        return
    stale = outdated()
    if stale:
        sys.exit("not current, run `make protos`: " + ", ".join(stale))
    print(f"generated code of {len(PROTOS)} .proto files is current")


if __name__ == "__main__":
    main()
