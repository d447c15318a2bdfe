use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A JSON object by region, in an order that means something.
#[derive(Debug, Clone, PartialEq)]
pub struct ByRegion<T>(pub Vec<(String, T)>);

impl<T> Default for ByRegion<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByRegion<T> {
    /// What is there of a region.
    pub fn get(&self, region: &str) -> Option<&T> {
        self.0.iter().find(|(name, _)| name == region).map(|(_, there)| there)
    }

    /// All, without the regions' names.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, there)| there)
    }
}

impl<T: Serialize> Serialize for ByRegion<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (region, there) in &self.0 {
            map.serialize_entry(region, there)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByRegion<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

struct InOrder<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
    type Value = ByRegion<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object by region")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut regions = Vec::new();
        while let Some(entry) = map.next_entry()? {
            regions.push(entry);
        }
        Ok(ByRegion(regions))
    }
}
