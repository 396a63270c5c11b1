"""Writes the samples of DICOM files with DCMTK 3.6.7 (Debian's package dcmtk).

    python tests/samples/make_dicom.py

Sealift reads them with another library, pydicom. All names and numbers are invented.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "dicom"
ROOT = "1.2.826.0.1.3680043.10.999"
CLASSES = {
    "CT": "=CTImageStorage",
    "RTSTRUCT": "=RTStructureSetStorage",
    "RTPLAN": "=RTPlanStorage",
    "MR": "=EnhancedMRImageStorage",
}

CONTOUR = """\
(3006,0020) SQ (Sequence)
(fffe,e000) na (Item)
(3006,0022) IS [1]
(3006,0024) UI [{root}.9]
(3006,0026) LO [Prostate]
(fffe,e00d) na (End)
(fffe,e0dd) na (End)
(3006,0039) SQ (Sequence)
(fffe,e000) na (Item)
(3006,0084) IS [1]
(3006,0040) SQ (Sequence)
(fffe,e000) na (Item)
(3006,0042) CS [CLOSED_PLANAR]
(3006,0046) IS [3]
(3006,0050) DS [0\\0\\5\\1.5\\0\\5\\1.5\\2\\5]
(fffe,e00d) na (End)
(fffe,e0dd) na (End)
(fffe,e00d) na (End)
(fffe,e0dd) na (End)
(3006,0080) SQ (Sequence)
(fffe,e000) na (Item)
(3006,0082) IS [1]
(3006,0084) IS [1]
(3006,00a4) CS [PTV]
(fffe,e00d) na (End)
(fffe,e0dd) na (End)
"""
BEAM = """\
(300a,0070) SQ (Sequence)
(fffe,e000) na (Item)
(300a,0071) IS [1]
(300c,0004) SQ (Sequence)
(fffe,e000) na (Item)
(300a,0086) DS [116.5]
(300c,0006) IS [1]
(fffe,e00d) na (End)
(fffe,e0dd) na (End)
(fffe,e00d) na (End)
(fffe,e0dd) na (End)
(300a,00b0) SQ (Sequence)
(fffe,e000) na (Item)
(300a,00b2) SH [LINAC2]
(300a,00c0) IS [1]
(300a,00c2) LO [Field 1]
(300a,00c4) CS [STATIC]
(300a,00c6) CS [PHOTON]
(300a,0111) SQ (Sequence)
(fffe,e000) na (Item)
(300a,0114) DS [6]
(300a,011e) DS [90]
(fffe,e00d) na (End)
(fffe,e000) na (Item)
(fffe,e00d) na (End)
(fffe,e0dd) na (End)
(fffe,e00d) na (End)
(fffe,e0dd) na (End)
"""
REPORT = """\
<?xml version="1.0" encoding="UTF-8"?>
<report type="Basic Text SR" xmlns="http://dicom.offis.de/dcmsr">
<sopclass uid="1.2.840.10008.5.1.4.1.1.88.11">BasicTextSR</sopclass>
<modality>SR</modality>
<patient><name><first>Anna</first><last>Kowalska</last></name><id>M7</id></patient>
<study uid="{root}.1"></study>
<series uid="{root}.2"><number>1</number></series>
<instance uid="{root}.3"></instance>
<document>
<completion flag="COMPLETE"></completion>
<verification flag="UNVERIFIED"></verification>
<content>
<date>2024-01-02</date><time>10:11:12</time>
<container flag="SEPARATE">
<concept><value>18748-4</value><scheme><designator>LN</designator></scheme>
<meaning>Diagnostic imaging report</meaning></concept>
<text><relationship>CONTAINS</relationship>
<concept><value>121071</value><scheme><designator>DCM</designator></scheme>
<meaning>Finding</meaning></concept><value>No fracture.</value></text>
<code><relationship>CONTAINS</relationship>
<concept><value>121073</value><scheme><designator>DCM</designator></scheme>
<meaning>Impression</meaning></concept>
<value>17621005</value><scheme><designator>SCT</designator></scheme>
<meaning>Normal</meaning></code>
</container>
</content>
</document>
</report>
"""
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def run(*command: object) -> None:
    """Run a program of DCMTK."""
    subprocess.run([str(part) for part in command], check=True)


def dump(path: Path, modality: str, number: int, more: str = "", *options: str) -> Path:
    """Write a file from a text, as dump2dcm reads it."""
    text = (
        f"(0002,0010) UI =LittleEndianExplicit\n(0008,0005) CS [ISO_IR 192]\n"
        f"(0008,0016) UI {CLASSES[modality]}\n(0008,0018) UI [{ROOT}.4.{number}]\n"
        f"(0008,0020) DA [20240102]\n(0008,0030) TM [101112]\n(0008,0060) CS [{modality}]\n"
        f"(0010,0010) PN [Kowalska^Zoë]\n(0010,0020) LO [M{number}]\n"
        f"(0010,0030) DA [19700517]\n(0020,000d) UI [{ROOT}.1]\n"
        f"(0020,000e) UI [{ROOT}.2]\n(0020,0010) SH [1]\n(0020,0011) IS [1]\n"
        f"(0020,0013) IS [{number}]\n" + more
    )
    source = path.with_suffix(".dump")
    source.write_text(text)
    run("dump2dcm", *options, source, path)
    source.unlink()
    return path


def image(folder: Path, modality: str, number: int, frames: int = 1) -> Path:
    """Write an image of 16 by 16 pixels of 16 bits, whose values are their place."""
    raw = folder / "pixels.raw"
    values = range(256 * frames)
    raw.write_bytes(b"".join(value.to_bytes(2, "little") for value in values))
    several = f"(0028,0008) IS [{frames}]\n" if frames > 1 else ""
    layout = (
        f"(0028,0002) US 1\n(0028,0004) CS [MONOCHROME2]\n{several}"
        "(0028,0010) US 16\n(0028,0011) US 16\n(0028,0100) US 16\n(0028,0101) US 16\n"
        f"(0028,0102) US 15\n(0028,0103) US 0\n(7fe0,0010) OW ={raw}\n"
    )
    return dump(folder / f"image{number}.dcm", modality, number, layout)


def disc(work: Path) -> None:
    """Write a disc: a DICOMDIR, two images that it lists, and a file that it does not."""
    target = FOLDER / "disc"
    (target / "IMAGES").mkdir(parents=True)
    for number in (1, 2):
        shutil.copy(image(work, "CT", number), target / "IMAGES" / f"IM{number:04}")
    (target / "README.TXT").write_text("A viewer's notes.\n")
    run(
        "dcmmkdir",
        "-Pgp",
        "-I",
        "+id",
        target,
        "+D",
        target / "DICOMDIR",
        "+r",
        "+p",
        "IM*",
    )


def main() -> None:
    """Write the samples."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    fields: Mapping[str, str] = {"root": ROOT}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        plain = image(work, "CT", 7)
        run("dcmconv", "+td", plain, FOLDER / "deflated.dcm")
        run("dcmconv", "-F", "+ti", plain, FOLDER / "bare-implicit.dcm")
        run("dcmcjpls", "+el", plain, FOLDER / "jpegls-lossless.dcm")
        run("dcmcjpeg", "+e1", plain, FOLDER / "jpeg-lossless.dcm")
        shutil.copy(image(work, "MR", 3, frames=3), FOLDER / "multiframe.dcm")
        dump(FOLDER / "structures.dcm", "RTSTRUCT", 4, CONTOUR.format(**fields))
        dump(FOLDER / "plan.dcm", "RTPLAN", 5, BEAM.format(**fields))
        (work / "report.xml").write_text(REPORT.format(**fields))
        run("xml2dsr", work / "report.xml", FOLDER / "report.dcm")
        (work / "letter.pdf").write_bytes(PDF)
        run(
            *("pdf2dcm", "+t", "Discharge letter", "+pn", "Kowalska^Anna", "+pi", "M7"),
            *(work / "letter.pdf", FOLDER / "encapsulated-pdf.dcm"),
        )
        disc(work)


if __name__ == "__main__":
    main()
