//! What kinds of things there are: their usual sizes, their classes, and where they may be.

use serde::{Deserialize, Serialize};

/// A thing an actor can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Passenger car.
    Car,
    /// Delivery van, labelled a car or truck as COCO does: here `truck`.
    Van,
    /// Lorry with a box.
    Truck,
    /// City bus.
    Bus,
    /// Someone on foot.
    Pedestrian,
    /// Rider and bicycle: two objects, a `person` and a `bicycle`.
    Cyclist,
    /// Rider and motorcycle: two objects, a `person` and a `motorcycle`.
    Motorcyclist,
    /// Wooden pallet, lying.
    Pallet,
    /// Fallen branch.
    Branch,
    /// Piece of wall across the way.
    Wall,
    /// Pole or bollard.
    Pole,
    /// Traffic cone.
    Cone,
    /// Cardboard or wooden box.
    Crate,
}

/// The kinds by their name in a scenario.
pub const KINDS: [(&str, Kind); 13] = [
    ("car", Kind::Car),
    ("van", Kind::Van),
    ("truck", Kind::Truck),
    ("bus", Kind::Bus),
    ("pedestrian", Kind::Pedestrian),
    ("cyclist", Kind::Cyclist),
    ("motorcyclist", Kind::Motorcyclist),
    ("pallet", Kind::Pallet),
    ("branch", Kind::Branch),
    ("wall", Kind::Wall),
    ("pole", Kind::Pole),
    ("cone", Kind::Cone),
    ("crate", Kind::Crate),
];

/// Class of a labelled object, by COCO's names where COCO has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ObjectClass {
    /// On foot, or riding.
    Person = 1,
    /// Bicycle without its rider.
    Bicycle = 2,
    /// Passenger car.
    Car = 3,
    /// Motorcycle without its rider.
    Motorcycle = 4,
    /// Bus.
    Bus = 6,
    /// Truck, van.
    Truck = 8,
    /// An obstacle no detector knows.
    Unknown = 100,
}

impl ObjectClass {
    /// All classes, the order in which a student's class list holds them (`Unknown` last).
    pub const ALL: [Self; 7] =
        [Self::Person, Self::Bicycle, Self::Car, Self::Motorcycle, Self::Bus, Self::Truck, Self::Unknown];

    /// The class's name, as COCO spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Bicycle => "bicycle",
            Self::Car => "car",
            Self::Motorcycle => "motorcycle",
            Self::Bus => "bus",
            Self::Truck => "truck",
            Self::Unknown => "unknown",
        }
    }

    /// COCO's category id; `None` for what COCO has no class for.
    pub fn coco_id(self) -> Option<u32> {
        (self != Self::Unknown).then_some(self as u32)
    }
}

/// Usual length, width, height of a kind in metres: (mean, spread) each, within which a seed varies it.
pub(crate) fn usual_size(kind: Kind) -> [(f64, f64); 3] {
    match kind {
        Kind::Car => [(4.35, 0.45), (1.80, 0.08), (1.50, 0.12)],
        Kind::Van => [(5.6, 0.5), (2.00, 0.06), (2.40, 0.25)],
        Kind::Truck => [(8.5, 1.3), (2.45, 0.05), (3.40, 0.25)],
        Kind::Bus => [(11.5, 0.8), (2.50, 0.03), (3.05, 0.10)],
        Kind::Pedestrian => [(0.45, 0.05), (0.55, 0.05), (1.72, 0.13)],
        Kind::Cyclist => [(1.75, 0.05), (0.60, 0.04), (1.75, 0.08)],
        Kind::Motorcyclist => [(2.10, 0.08), (0.78, 0.05), (1.65, 0.06)],
        Kind::Pallet => [(1.20, 0.0), (0.80, 0.0), (0.145, 0.0)],
        Kind::Branch => [(1.1, 0.2), (2.8, 0.5), (0.65, 0.15)],
        Kind::Wall => [(0.30, 0.05), (2.4, 0.5), (1.05, 0.2)],
        Kind::Pole => [(0.16, 0.04), (0.16, 0.04), (1.3, 0.4)],
        Kind::Cone => [(0.38, 0.02), (0.38, 0.02), (0.72, 0.05)],
        Kind::Crate => [(0.7, 0.15), (0.7, 0.15), (0.6, 0.15)],
    }
}

impl Kind {
    /// Whether it drives on wheels along lanes.
    pub fn is_vehicle(self) -> bool {
        matches!(self, Self::Car | Self::Van | Self::Truck | Self::Bus | Self::Cyclist | Self::Motorcyclist)
    }

    /// Whether it moves at all.
    pub fn can_move(self) -> bool {
        self.is_vehicle() || self == Self::Pedestrian
    }

    /// Class of the thing itself; the rider of a two-wheeler is a `person` beside it.
    pub fn class(self) -> ObjectClass {
        match self {
            Self::Car => ObjectClass::Car,
            Self::Van | Self::Truck => ObjectClass::Truck,
            Self::Bus => ObjectClass::Bus,
            Self::Pedestrian => ObjectClass::Person,
            Self::Cyclist => ObjectClass::Bicycle,
            Self::Motorcyclist => ObjectClass::Motorcycle,
            _ => ObjectClass::Unknown,
        }
    }
}
