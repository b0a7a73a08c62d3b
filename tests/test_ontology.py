from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from sage import ontology
from sage.irp.errors import ConfigError


def test_every_apartment_class_is_in_the_ontology() -> None:
    assert set(ontology.APARTMENT_FURNITURE) <= set(ontology.furniture_names())
    assert set(ontology.APARTMENT_OBJECTS) <= set(ontology.OBJECTS)
    assert ontology.VISION_CLASSES[-1] == "person"
    assert len(set(ontology.VISION_CLASSES)) == len(ontology.VISION_CLASSES)


def test_every_object_belongs_to_furniture_of_its_room() -> None:
    for entry in ontology.OBJECTS.values():
        assert entry.default_room in ontology.rooms_of(entry.default_location), entry


def test_helpers_name_the_known_choices() -> None:
    assert ontology.room_of("bed") == "bedroom"
    assert ontology.rooms_of("sink") == ("kitchen", "bathroom")
    assert "apple" in ontology.objects_in_category("fruits")
    for call in (ontology.room_of, ontology.object_entry, ontology.objects_in_category):
        with pytest.raises(ConfigError, match=r"'throne'; known: "):
            call("throne")


def test_names_agree_with_the_competition(shared_data: Path) -> None:
    rooms = ElementTree.parse(shared_data / "gpsr" / "kb" / "locations.xml").getroot()
    theirs = {
        room.attrib["name"]: tuple(place.attrib["name"] for place in room.iter("location"))
        for room in rooms
    }
    ours = {room: tuple(piece.name for piece in pieces) for room, pieces in ontology.ROOMS.items()}
    assert ours == theirs
    categories = ElementTree.parse(shared_data / "gpsr" / "kb" / "objects.xml").getroot()
    assert list(ontology.OBJECTS) == [thing.attrib["name"] for thing in categories.iter("object")]
    people = ElementTree.parse(shared_data / "gpsr" / "kb" / "names.xml").getroot()
    assert set(ontology.PEOPLE) == {name.text for name in people.iter("name")}
