"""Generated code of the .proto files beside it; never edited (see protos/generate.py)."""
