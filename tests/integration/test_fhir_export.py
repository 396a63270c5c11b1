"""A FHIR server's export, pushed: from the kick-off to what a trainer opens."""

from __future__ import annotations

from fakes.bulk_data import TOKEN, BulkData, serving

from sealift.owner.sources import SourceOptions
from sealift.process.secret import Secret
from sealift.session import Session


def test_an_export_is_pushed_as_one_commit_each_time(hospital: Session) -> None:
    files = [
        "".join(f'{{"resourceType":"Patient","id":"p{number}{n}"}}\n' for n in range(2))
        for number in range(3)
    ]
    with serving(BulkData({"Patient": files}, working=[])) as server:
        text = f"fhir+bulk+{server.url}/fhir/Group/7/$export"
        for pushes in (1, 2):
            pushed = hospital.push(
                text,
                dataset="patients",
                reading=SourceOptions(
                    resource="Patient", token=lambda _: Secret(TOKEN.encode())
                ),
            )
            assert (pushed.records, pushed.commits) == (6, 1)
            assert server.count("GET", "/fhir/") == pushes
            assert server.count("DELETE", "/status/") == pushes
    table = hospital.open_dataset("hospital/patients").to_table()
    assert table["id"].to_pylist() == ["p00", "p01", "p10", "p11", "p20", "p21"] * 2
