"""Decoding images and DICOM into arrays."""
