"""Decode images and DICOM files into arrays."""
