"""What a home holds: rooms, furniture, objects and people of the RoboCup@Home GPSR world.

The names and default places follow the knowledge base of the RoboCup@Home General Purpose
Service Robot competition of 2018 (MIT licence). Its tableware stands by default on a "sideboard"
that its own list of locations calls "side table"; here it is "side table" throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from sage.irp.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FurnitureEntry:
    """A named location in a room: ``placement`` if things are put on or in it."""

    name: str
    room: str
    placement: bool = False
    beacon: bool = False


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object, and where it is to be expected."""

    name: str
    category: str
    default_location: str
    default_room: str


ROOM_NAMES: tuple[str, ...] = (
    "bedroom",
    "dining room",
    "living room",
    "kitchen",
    "corridor",
    "bathroom",
)

# "p": things are placed there; "b": a beacon, where people are met.
_LOCATIONS: dict[str, dict[str, str]] = {
    "bedroom": {
        "bed": "b",
        "nightstand": "p",
        "wardrobe": "p",
        "dresser": "p",
        "armchair": "b",
        "drawer": "p",
        "desk": "bp",
    },
    "dining room": {
        "side table": "p",
        "cutlery drawer": "p",
        "dining table": "bp",
        "chair": "b",
        "baby chair": "b",
    },
    "living room": {
        "bookshelf": "p",
        "sofa": "bp",
        "coffee table": "bp",
        "center table": "p",
        "bar": "p",
        "fireplace": "p",
        "tv couch": "b",
    },
    "kitchen": {
        "microwave": "p",
        "cupboard": "p",
        "counter": "p",
        "cabinet": "p",
        "sink": "bp",
        "stove": "bp",
        "fridge": "p",
        "freezer": "p",
        "washing machine": "p",
        "dishwasher": "p",
    },
    "corridor": {"cabinet": "bp"},
    "bathroom": {
        "shower": "b",
        "bathtub": "b",
        "toilet": "b",
        "towel rack": "p",
        "bathroom cabinet": "p",
        "sink": "bp",
    },
}

# (category, default location, room): objects. "food" is kept in two places.
_CATEGORIES: dict[tuple[str, str, str], str] = {
    ("toiletries", "bathroom cabinet", "bathroom"): "shampoo, soap, towel, sponge, toothpaste",
    ("snacks", "center table", "living room"): "chips, chocolate, pringles, cookies",
    ("fruits", "dining table", "dining room"): "apple, melon, banana, pear, peach",
    ("food", "cabinet", "kitchen"): "pasta, noodles, tuna fish, pickles",
    ("food", "cupboard", "kitchen"): "choco flakes, cereal, spaghetti",
    ("drinks", "fridge", "kitchen"): "tea, beer, coke, water, milk",
    ("cutlery", "cutlery drawer", "dining room"): "tea spoon, spoon, fork, knife, napkin",
    ("tableware", "side table", "dining room"): "big dish, small dish, bowl, glass, mug",
    ("containers", "counter", "kitchen"): "tray, box, bag",
}

ROOMS: MappingProxyType[str, tuple[FurnitureEntry, ...]] = MappingProxyType(
    {
        room: tuple(
            FurnitureEntry(name, room, placement="p" in flags, beacon="b" in flags)
            for name, flags in pieces.items()
        )
        for room, pieces in _LOCATIONS.items()
    }
)
"""Room name to the furniture ("locations") that belongs there; "sink" and "cabinet" have two."""

OBJECTS: MappingProxyType[str, ObjectEntry] = MappingProxyType(
    {
        name: ObjectEntry(name, category, location, room)
        for (category, location, room), names in _CATEGORIES.items()
        for name in names.split(", ")
    }
)
"""Object name to its entry."""

CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(entry.category for entry in OBJECTS.values()))

PEOPLE: tuple[str, ...] = (
    "Jamie",
    "Morgan",
    "Michael",
    "Taylor",
    "Tracy",
    "Jordan",
    "Hayden",
    "Peyton",
    "Robin",
    "Alex",
)

APARTMENT_FURNITURE: tuple[str, ...] = (
    "bed",
    "nightstand",
    "wardrobe",
    "dresser",
    "desk",
    "dining table",
    "side table",
    "chair",
    "baby chair",
    "sofa",
    "bookshelf",
    "coffee table",
    "center table",
    "fireplace",
    "counter",
    "cupboard",
    "fridge",
    "stove",
    "washing machine",
    "sink",
    "cabinet",
    "bathtub",
    "toilet",
    "bathroom cabinet",
)
"""The furniture classes that the simulated apartment can hold."""

APARTMENT_OBJECTS: tuple[str, ...] = (
    "apple",
    "banana",
    "melon",
    "coke",
    "milk",
    "water",
    "cereal",
    "pringles",
    "mug",
    "bowl",
    "box",
    "tray",
    "shampoo",
    "towel",
)
"""The object classes that the simulated apartment can hold."""

VISION_CLASSES: tuple[str, ...] = (*APARTMENT_FURNITURE, *APARTMENT_OBJECTS, "person")
"""The detector's classes; the order is part of the weights' format, so append only."""


def rooms_of(furniture: str) -> tuple[str, ...]:
    """Every room that has such a piece, in the order of the ontology; ConfigError if none has."""
    rooms = tuple(
        room for room, pieces in ROOMS.items() if any(piece.name == furniture for piece in pieces)
    )
    if not rooms:
        raise ConfigError(
            f"unknown furniture {furniture!r}; known: {', '.join(sorted(furniture_names()))}"
        )
    return rooms


def room_of(furniture: str) -> str:
    """The first room of the ontology that has such a piece; ConfigError if none has."""
    return rooms_of(furniture)[0]


def furniture_names() -> tuple[str, ...]:
    """Every furniture name once, in the order of the ontology."""
    return tuple(dict.fromkeys(piece.name for pieces in ROOMS.values() for piece in pieces))


def object_entry(name: str) -> ObjectEntry:
    """Category and default place of an object; ConfigError names the known ones."""
    entry = OBJECTS.get(name)
    if entry is None:
        raise ConfigError(f"unknown object {name!r}; known: {', '.join(sorted(OBJECTS))}")
    return entry


def objects_in_category(category: str) -> tuple[str, ...]:
    """The objects of a category; ConfigError names the known ones."""
    if category not in CATEGORIES:
        raise ConfigError(f"unknown category {category!r}; known: {', '.join(CATEGORIES)}")
    return tuple(entry.name for entry in OBJECTS.values() if entry.category == category)
