"""Writes the samples of HL7 messages with hl7apy 1.3.5 (MIT).

    python tests/samples/make_hl7.py

Sealift reads them with another library, `hl7`. All names and numbers are invented.
"""

from pathlib import Path

from hl7apy.core import Message

FOLDER = Path(__file__).parent / "hl7"


def observation(number: int, name: str, text: str, charset: str) -> Message:
    """Return a laboratory result, version 2.5.1, as hl7apy builds it."""
    message = Message("ORU_R01", version="2.5.1")
    message.msh.msh_3 = "LAB"
    message.msh.msh_4 = "GENERAL"
    message.msh.msh_7 = "20240102030405-0500"
    message.msh.msh_9 = "ORU^R01^ORU_R01"
    message.msh.msh_10 = f"C{number}"
    message.msh.msh_11 = "P"
    for repetition in charset.split("~"):
        message.msh.add_field("msh_18").value = repetition
    message.add_segment("PID")
    message.pid.pid_3 = f"M{number}^^^GH^MR"
    message.pid.pid_5 = name
    message.pid.pid_7 = "19700517"
    message.pid.pid_8 = "F"
    message.add_segment("OBR")
    message.obr.obr_4 = "24331-1^Lipid panel^LN"
    message.add_segment("OBX")
    message.obx.obx_2 = "TX"
    message.obx.obx_3 = "8251-1^Comment^LN"
    message.obx.obx_5 = text
    message.obx.obx_11 = "F"
    return message


def main() -> None:
    """Write the samples."""
    FOLDER.mkdir(exist_ok=True)
    # A batch in Latin 1: the envelopes of a file and of a batch around two messages.
    batch = "FHS|^~\\&|LAB|GENERAL\rBHS|^~\\&|LAB|GENERAL\r"
    for number, name in enumerate(("Müller^Jörg", "Peña^Inés")):
        message = observation(number, name, "nüchtern", "8859/1")
        batch += message.to_er7(trailing_children=True) + "\r"
    batch += "BTS|2\rFTS|1\r"
    (FOLDER / "batch-latin1.hl7").write_bytes(batch.encode("latin-1"))
    # MLLP as it goes over the wire, the lines of a report as they are, UTF-8.
    frames = [
        observation(
            2, "Nowák^Eva", "Impression:\nno change\n\nsigned", "UNICODE UTF-8"
        ),
        observation(3, "Иванова^Анна", "без изменений", "UNICODE UTF-8"),
    ]
    mllp = "".join(frame.to_mllp() for frame in frames)
    (FOLDER / "mllp-report.hl7").write_bytes(mllp.encode())
    # What an interface engine of Japan's hospitals writes: ISO IR87, behind the head of a log.
    japanese = observation(4, "山田^太郎", "異常なし", "~ISO IR87").to_er7()
    log = b"# 2024-01-02 03:04:05 outbound queue LAB\r\n\r\n"
    (FOLDER / "japan.hl7").write_bytes(
        log + (japanese + "\r").encode("iso2022_jp").replace(b"\r", b"\r\n")
    )
    # A file of a Windows program in UTF-16.
    wide = observation(5, "Ελένη^Παπά", "ok", "UNICODE UTF-16").to_er7() + "\r"
    (FOLDER / "windows-utf16.hl7").write_bytes(wide.encode("utf-16"))


if __name__ == "__main__":
    main()
