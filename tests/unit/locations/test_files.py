"""Locations in CSV and GeoJSON: what is read, what is refused with which words, and that a file written is the same when read."""

from __future__ import annotations

import io
import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meteorograph.errors import InvalidLocationError, LocationFileError
from meteorograph.locations.fields import FIELDS, LocationFields, check_fields
from meteorograph.locations.file_rows import BadRow, FileRow
from meteorograph.locations.files import FORMATS, read_locations, write_locations
from meteorograph.model.names import normalise_name
from meteorograph.model.proximity import NEAR_M, ProximityGrid, _Point
from meteorograph.model.values import Coordinates

HEADER = b"name,latitude,longitude\n"


def _read(text: bytes, format: str = "csv") -> list[FileRow | BadRow]:
    return list(read_locations(io.BytesIO(text), format))


def _reasons(text: bytes, format: str = "csv") -> list[str]:
    return [str(row) for row in _read(text, format) if isinstance(row, BadRow)]


def _feature(coordinates: str = "[-6.26, 53.35]", properties: str = '{"name": "Dublin"}') -> str:
    return f'{{"type": "Feature", "geometry": {{"type": "Point", "coordinates": {coordinates}}}, "properties": {properties}}}'


def _collection(*features: str) -> bytes:
    return '{{"type": "FeatureCollection", "features": [\n{}\n]}}'.format(",\n".join(features)).encode()


def test_csv_with_every_column_in_any_order() -> None:
    header = "tags,Name ,longitude,latitude,elevation,timezone,schedule"
    row = ' b;a;b ,"Ag. Nikolaos, Kreta", 25.7,35.2,12.5,Europe/Athens,"0 6,18 * * *"'
    [entry] = _read(f"{header}\n{row}\n".encode())
    assert entry == FileRow(
        2,
        {
            "name": "Ag. Nikolaos, Kreta",
            "latitude": 35.2,
            "longitude": 25.7,
            "elevation": 12.5,
            "timezone": "Europe/Athens",
            "schedule": "0 6,18 * * *",
            "tags": ["a", "b"],
        },
    )


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("Name,Lat,Lon,Tags", '"a,b"'),
        ("station,y,x,labels", "a;b"),
        ("city,latitude,lng,tag", '" a , b,"'),
        ("title,lat,long,tags", "b;a;"),
    ],
)
def test_columns_and_tags_as_other_programs_write_them(header: str, cells: str) -> None:
    [entry] = _read(f"{header}\nOslo,59.91,10.75,{cells}\n".encode())
    assert entry == FileRow(2, {"name": "Oslo", "latitude": 59.91, "longitude": 10.75, "tags": ["a", "b"]})


def test_two_columns_of_one_field_are_refused() -> None:
    with pytest.raises(LocationFileError, match="twice: latitude"):
        _read(b"name,lat,latitude,lon\nOslo,59.91,59.91,10.75\n")


def test_a_row_gives_only_the_columns_that_are_there() -> None:
    assert _read(HEADER + b"Oslo,59.91,10.75\n") == [FileRow(2, {"name": "Oslo", "latitude": 59.91, "longitude": 10.75})]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_line_ends_and_blank_lines(end: bytes, mark: bytes) -> None:
    lines = [b"name,latitude,longitude", b"", "Åbo,60.45,22.27".encode(), b"", "東京,35.68,139.69".encode()]
    assert [(entry.line, entry.values["name"]) for entry in _read(mark + end.join(lines)) if isinstance(entry, FileRow)] == [
        (3, "Åbo"),
        (5, "東京"),
    ]


def test_every_bad_line_is_reported_with_its_number_in_the_file() -> None:
    text = HEADER + b'"A\nB",1,2\nC,1\nD,nan,inf\n"E"e,1,2\nF,1,2\n,1,2\nG,,"53,3"\nH,1_0,0x1\n'
    assert _reasons(text) == [
        r"line 2: name='A\nB': must be a text of 1 to 200 characters, none of them a control character",
        "line 4: has 2 columns, the first line has 3",
        "line 5: latitude='nan': must be a number from -90 to 90; longitude='inf': must be a number from -180 to 180",
        "line 6: a quote ends in the middle of a cell; a quote inside a cell must be written twice",
        "line 8: name is missing: must be a text of 1 to 200 characters, none of them a control character",
        "line 9: latitude is missing: must be a number from -90 to 90; longitude='53,3': must be a number from -180 to 180",
        "line 10: latitude='1_0': must be a number from -90 to 90; longitude='0x1': must be a number from -180 to 180",
    ]
    assert [entry.values["name"] for entry in _read(text) if isinstance(entry, FileRow)] == ["F"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_rows_and_columns_that_a_spreadsheet_leaves_blank(end: str, mark: str) -> None:
    lines = [
        ",,,,",
        "name,,latitude,longitude, ,",
        "Berg,,46.5,8.5,,",
        ",,,,,",
        '" ",,, ,\u00a0,',
        "See,,47,9",
        "Tal,,47.5,9.5,,,,",
        "Bad,x,47.5,9.5,,",
        "Kurz,,47.5",
        "Lang,,47.5,9.5,,,7",
        "",
    ]
    rows = _read((mark + end.join(lines)).encode())
    assert [(row.line, row.values) for row in rows if isinstance(row, FileRow)] == [
        (3, {"name": "Berg", "latitude": 46.5, "longitude": 8.5}),
        (6, {"name": "See", "latitude": 47.0, "longitude": 9.0}),
        (7, {"name": "Tal", "latitude": 47.5, "longitude": 9.5}),
    ]
    assert [str(row) for row in rows if isinstance(row, BadRow)] == [
        "line 8: has a value in column 2, which has no name in the first line",
        "line 9: has 3 columns, the first line has 6",
        "line 10: has 7 columns, the first line has 6",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("first", "separator"),
    [("sep=,", ","), ("sep=;", ";"), ("SEP=;", ";"), ("sep=\t", "\t"), ('"sep=;"', ";"), ('"sep=,",,', ","), ("sep=;;;", ";")],
)
def test_a_line_that_names_the_separator(end: str, mark: str, first: str, separator: str) -> None:
    table = [["name", "latitude", "longitude", "tags"], ["Hof", "47.1", "8.1", '"a;b"'], ["Hang", "195", "8.1", ""], [""] * 4]
    text = mark + end.join([first, *(separator.join(cells) for cells in table)])
    row, bad = _read(text.encode())
    assert row == FileRow(3, {"name": "Hof", "latitude": 47.1, "longitude": 8.1, "tags": ["a", "b"]})
    assert str(bad) == "line 4: latitude=195.0: must be a number from -90 to 90"


@pytest.mark.parametrize("first", ["sep=|", "sep=", '"sep=:"'])
def test_a_line_that_names_another_separator_is_refused(first: str) -> None:
    with pytest.raises(LocationFileError) as caught:
        _read(f"{first}\nname,latitude,longitude\n".encode())
    assert str(caught.value) == f"line 1: {first!r} names the separator; it must be ',', ';' or a tab"


def test_swapped_coordinates_are_recognised() -> None:
    [reason] = _reasons(HEADER + b"Sydney,151.2,-33.9\n")
    assert reason.endswith("must be a number from -90 to 90; are latitude and longitude swapped?")
    assert "swapped" not in str(_reasons(HEADER + b"X,251,-33.9\nY,151.2,95\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "the file is empty"),
        (b"\n\r\n", "the file is empty"),
        (b"name,breite,lon\nA,1,2\n", "line 1: .*missing: latitude; unknown: 'breite'.*known are name, latitude"),
        (b"name,latitude,longitude,name\n", "line 1: .*twice: name"),
        (
            b"name;latitude;longitude\nA;1;2\n",
            "line 1: the columns are separated by ';'; it must be ',', or the first line must be sep=;",
        ),
        (b"name\tlatitude\tlongitude\n", "line 1: the columns are separated by tabs"),
        (b"name,latitude,longitude\rA,1,2\r", "line 1: the file's lines must end with LF or CRLF"),
        (HEADER + b'A,1,2\n"B,1,2\nC,1,2\n', "line 3: a quote that opens in this row is never closed"),
        (HEADER + b'A,1,2\n"B' + b"x" * 200_000 + b"\n", "line 3: a quote that opens in this row is never closed"),
        (HEADER + b"A,1,2\nM\xfcnchen,48.1,11.6\n", "line 3: the file is not UTF-8: byte 0xfc at column 2"),
        ("name,latitude,longitude\n".encode("utf-16"), "line 1: the file is not UTF-8"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(text: bytes, told: str) -> None:
    with pytest.raises(LocationFileError, match=told):
        _read(text)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "x" * 201, "1 to 200 characters"),
        ("name", "..", "must not be . or .."),
        ("name", "a\0b", "control character"),
        ("name", "a\u2028b", "control character"),
        ("name", "a\ud800", "control character"),
        ("name", 5, "must be a text"),
        ("latitude", True, "-90 to 90"),
        ("latitude", math.nan, "-90 to 90"),
        ("longitude", -180.001, "-180 to 180"),
        ("elevation", 9001, "-500 to 9000 or nothing"),
        ("elevation", -math.inf, "-500 to 9000 or nothing"),
        ("timezone", "Mars/Base", "IANA time zone"),
        ("timezone", "europe/dublin", "IANA time zone"),
        ("schedule", "sometimes", "must be an interval"),
        ("schedule", "1h" + " " * 99 + "x", "at most 100 characters"),
        ("tags", "a", "in a list"),
        ("tags", ["a;b"], "without ';'"),
        ("tags", ["a", ""], "1 to 50 characters"),
        ("tags", [str(number) for number in range(51)], "at most 50 tags"),
        ("color", "red", "is unknown; use name, latitude"),
    ],
)
def test_wrong_values_say_what_is_allowed(field: str, value: object, told: str) -> None:
    sound: dict[str, object] = {"name": "A", "latitude": 1, "longitude": 2}
    assert check_fields(sound)
    with pytest.raises(InvalidLocationError, match=told) as caught:
        check_fields({**sound, field: value})
    assert [error.field for error in caught.value.errors] == [field]
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_bounds_and_empty_fields_are_taken() -> None:
    given: dict[str, object] = {
        "name": " پارس‌آباد ",
        "latitude": -90,
        "longitude": 180,
        "elevation": -500,
        "timezone": None,
        "tags": [],
    }
    assert check_fields({**given, "schedule": " 15m "}) == {**given, "name": "پارس‌آباد", "schedule": "15m", "tags": None}


def test_geojson_is_read_with_the_line_of_each_feature() -> None:
    text = _collection(
        _feature("[-6.26, 53.35, 8]", '{"name": "Dublin", "tags": ["b", "a"], "population": 5}'),
        _feature("[25.1,\n 35.3, 5]", '{"name": "Heraklion", "elevation": 33, "tags": "x;y", "timezone": null}'),
        _feature("[0, 191]"),
        _feature("[0]"),
        _feature("[0, 1, 2, 3]"),
        _feature("[0, 1]", "null"),
        _feature("[true, null]", '{"name": 3}'),
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": []}, "properties": {}}',
        "7",
        _feature("[0, 1e999]"),
    )
    entries = [row for row in _read(text, "geojson") if isinstance(row, FileRow)]
    assert [(entry.line, entry.values) for entry in entries] == [
        (2, {"name": "Dublin", "latitude": 53.35, "longitude": -6.26, "elevation": 8, "tags": ["a", "b"]}),
        (3, {"name": "Heraklion", "latitude": 35.3, "longitude": 25.1, "elevation": 33, "tags": ["x", "y"], "timezone": None}),
    ]
    reasons = _reasons(text, "geojson")
    assert [reason.split(":")[0] for reason in reasons] == [f"line {line}" for line in (5, 6, 7, 8, 9, 10, 11, 12)]
    assert reasons[0] == "line 5: feature 3 ('Dublin'): latitude=191: must be a number from -90 to 90"
    assert all("must be a Feature with a Point" in reasons[number] for number in (1, 2, 3, 5, 6))
    assert "name=3" in reasons[4]
    assert "is not JSON" in reasons[7]


def test_errors_of_a_geojson_file_on_one_line_name_the_feature() -> None:
    features = [
        _feature("[8, 47]", '{"name": "Alm"}'),
        '{"type": "Feature", "geometry": null, "properties": {"name": "Weiler"}}',
        _feature("[8, 47]", '{"name": "Joch", "elevation": "2,1 km"}'),
        _feature("[[8, 47]]", '{"name": 12}'),
        _feature("[8, 47]", "{}"),
        "null",
        _feature("[8, 1e999]"),
    ]
    text = _collection(*features).replace(b"\n", b"")
    reasons = _reasons(text, "geojson")
    heads = ["2 ('Weiler')", "3 ('Joch')", "4", "5", "6", "7"]
    assert [reason.split(": ")[:2] for reason in reasons] == [["line 1", f"feature {head}"] for head in heads]
    assert "elevation='2,1 km'" in reasons[1]
    assert "name is missing" in reasons[3]
    [row] = [row for row in _read(text, "geojson") if isinstance(row, FileRow)]
    assert row.place == "line 1, feature 1"


#: Members ``crs`` that say: longitude and latitude in degrees.
DEGREES = [
    "null",
    '{"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}',
    '{"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC::CRS84"}}',
    '{"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4326"}}',
    '{"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG:6.9:4326"}}',
    '{"type": "name", "properties": {"name": "epsg:4326"}}',
    '{"type": "name", "properties": {"name": "OGC:CRS84"}}',
    '{"type": "name", "properties": {"name": "WGS 84"}}',
    '{"type": "name", "properties": {"name": "http://www.opengis.net/def/crs/EPSG/0/4326"}}',
    '{"type": "link", "properties": {"href": "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "type": "ogcwkt"}}',
    '{"type": "link", "properties": {"href": "https://spatialreference.org/ref/epsg/4326/proj4/", "type": "proj4"}}',
    '{"type": "EPSG", "properties": {"code": 4326}}',
    '"EPSG:4258"',
]
#: Other members, and what the error shows of each.
NO_DEGREES = [
    ('{"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}', "urn:ogc:def:crs:EPSG::25832"),
    ('{"type": "name", "properties": {"name": "EPSG:3857"}}', "EPSG:3857"),
    ('{"type": "name", "properties": {"name": "EPSG:900913"}}', "EPSG:900913"),
    ('{"type": "name", "properties": {"name": "WGS 84 / UTM zone 32N"}}', "WGS 84 / UTM zone 32N"),
    ('{"type": "name", "properties": {"name": "http://www.opengis.net/def/crs/EPSG/0/2056"}}', "EPSG/0/2056"),
    ('{"type": "link", "properties": {"href": "https://epsg.io/21781.proj4", "type": "proj4"}}', "21781"),
    ('{"type": "link", "properties": {"href": "http://spatialreference.org/ref/epsg/27700/", "type": "esriwkt"}}', "27700"),
    ('{"type": "EPSG", "properties": {"code": "31467"}}', "EPSG:31467"),
    ('{"type": "EPSG", "properties": {"code": 43260}}', "EPSG:43260"),
    ('"EPSG:3035"', "EPSG:3035"),
    ("{}", "{}"),
    ("17", "17"),
]


def _with_crs(member: str, crs: str) -> bytes:
    plain = _feature("[8.5, 47.5]")
    match member:
        case "collection":
            return f'{{"crs": {crs}, "type": "FeatureCollection", "features": [{plain}]}}'.encode()
        case "feature":
            return _collection(plain.replace('{"type": "Feature"', f'{{"crs": {crs}, "type": "Feature"'))
    return _collection(plain.replace('{"type": "Point"', f'{{"crs": {crs}, "type": "Point"'))


@pytest.mark.parametrize("member", ["collection", "feature", "geometry"])
@pytest.mark.parametrize("crs", DEGREES)
def test_a_file_in_degrees_may_say_so(member: str, crs: str) -> None:
    assert isinstance(_read(_with_crs(member, crs), "geojson")[0], FileRow)


@pytest.mark.parametrize("member", ["collection", "feature", "geometry"])
@pytest.mark.parametrize(("crs", "shown"), NO_DEGREES)
def test_a_file_that_is_not_in_degrees_is_refused(member: str, crs: str, shown: str) -> None:
    with pytest.raises(LocationFileError, match=r"^crs='.*must be longitude and latitude in degrees") as caught:
        _read(_with_crs(member, crs), "geojson")
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b" \n", "the file is empty"),
        (b'{"type": "FeatureCollection",\n "features": [nan]}', "line 2: the file is not JSON"),
        (b"name,latitude,longitude\n", "line 1: the file is not JSON"),
        (_feature().encode(), "must be a GeoJSON FeatureCollection"),
        (b'{"type": "Topology", "features": []}', "type='Topology': must be FeatureCollection"),
        (b"[1]", "must be a GeoJSON FeatureCollection"),
        (b'{"type": "FeatureCollection", "features": [' + b"[" * 100_000, "the file is not JSON"),
        (b"\xff\xfe", "the file is not JSON"),
    ],
)
def test_a_file_that_is_no_such_geojson_is_refused(text: bytes, told: str) -> None:
    with pytest.raises(LocationFileError, match=told):
        _read(text, "geojson")


_texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=50).map(str.strip).filter(bool)
_locations = st.fixed_dictionaries(
    {
        "name": _texts.map(lambda text: normalise_name(text).strip()).filter(bool),
        "latitude": st.floats(-90, 90),
        "longitude": st.floats(-180, 180),
        "elevation": st.none() | st.floats(-500, 9000),
        "timezone": st.none() | st.sampled_from(["Europe/Athens", "UTC", "America/Argentina/Ushuaia"]),
        "schedule": st.none() | st.sampled_from(["15m", "0 6,18 * * *", "0 6 * * * Europe/Athens"]),
        "tags": st.none() | st.lists(_texts.filter(lambda tag: ";" not in tag), min_size=1, max_size=4, unique=True).map(sorted),
    }
)


@pytest.mark.parametrize("format", FORMATS)
@given(st.lists(_locations, max_size=5))
def test_what_is_written_is_the_same_when_read(format: str, locations: list[dict[str, Any]]) -> None:
    text = "".join(write_locations([LocationFields(**fields) for fields in locations], format)).encode()
    rows = _read(text, format)
    assert [row.values if isinstance(row, FileRow) else row for row in rows] == locations
    if format == "geojson":
        assert [set(feature["properties"]) for feature in json.loads(text)["features"]] == [set(FIELDS[:1] + FIELDS[3:])] * len(
            rows
        )


@given(st.binary(max_size=200), st.sampled_from(FORMATS))
def test_no_bytes_at_all_do_anything_but_read_or_be_refused(noise: bytes, format: str) -> None:
    for text in (noise, HEADER + noise):
        with suppress(LocationFileError):
            assert all(row.line > 0 for row in _read(text, format))


@given(
    st.lists(st.tuples(st.floats(-89.9999, 90), st.floats(-180, 180)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.floats(-250, 250), st.floats(-250, 250)), max_size=30),
)
def test_the_grid_finds_a_near_point_exactly_where_there_is_one(
    centres: list[tuple[float, float]], offsets: list[tuple[int, float, float]]
) -> None:
    grid, points = ProximityGrid(), list[Coordinates]()
    for number, (centre, north, east) in enumerate(offsets):
        latitude, longitude = centres[centre % len(centres)]
        latitude = max(-90.0, min(90.0, latitude + north / 111_195))
        longitude = (longitude + east / (111_195 * max(math.cos(math.radians(latitude)), 1e-9)) + 180) % 360 - 180
        point = Coordinates(latitude, longitude)
        distances = [point.distance_km(other) * 1000 for other in points]
        found = grid.find_near_and_add(str(number), latitude, longitude)
        if not any(abs(distance - NEAR_M) < 0.01 for distance in distances):
            assert (found is not None) == any(distance <= NEAR_M for distance in distances)
        if found is not None:
            assert found[1] == pytest.approx(distances[int(found[0])], abs=0.1)
        points.append(point)


def test_the_grid_has_no_seam_and_a_point_is_not_near_itself() -> None:
    grid = ProximityGrid()
    grid.add("east", 0, 179.9999)
    grid.add("pole", 90, 0)
    found = [
        grid.find_near_and_add("west", 0, -179.9999),
        grid.find_near_and_add("other", 89.9999, 77),
        grid.find_near_and_add("pole", 90, 10),
    ]
    assert [near and (near[0], round(near[1])) for near in found] == [("east", 22), ("pole", 11), ("other", 11)]
    assert ProximityGrid().find_near_and_add("alone", 1, 1) is None


def test_many_points_in_one_place_are_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    distance_m = _Point.distance_m

    def counted(self: _Point, other: _Point) -> float:
        nonlocal compared
        compared += 1
        return distance_m(self, other)

    monkeypatch.setattr(_Point, "distance_m", counted)
    grid = ProximityGrid()
    for number in range(1000):
        assert (grid.find_near_and_add(f"a{number}", 0.0, 0.0) is None) == (number == 0)
    for number in range(1000):
        assert (grid.find_near_and_add(f"b{number}", 0.0, 0.0011) is None) == (number == 0)  # 122 m off: near no "a"
    assert 2000 <= compared < 10_000
