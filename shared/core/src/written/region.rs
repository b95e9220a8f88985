//! Regions, and what people write for them.

use super::mistake::Misfit;
use super::shape::{Shape, Typed};
use super::spelling::distance;
use super::text::id;
use super::value::{Value, quoted};
use crate::ids::Region;

/// Every Region's name ends in one of these and a number.
const DIRECTIONS: [&str; 9] = [
    "central",
    "east",
    "north",
    "northeast",
    "northwest",
    "south",
    "southeast",
    "southwest",
    "west",
];
/// What people write where they mean all Regions.
const EVERYWHERE: [&str; 6] = ["*", "all", "any", "everywhere", "global", "none"];

impl Typed for Region {
    const SHAPE: Shape = Shape::Id(Region::EXPECTED);

    /// AWS makes new Regions, so that no list of them is complete. A name is refused where it is misspelt for
    /// certain: an entry for a Region that does not exist would hold nowhere.
    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        let read: Result<Region, Misfit> = id(value, &shape.expected());
        let Some(text) = value.as_text() else {
            return read;
        };
        let advice = match &read {
            Ok(region) => with_direction(region.as_str()).map(|right| {
                let right = quoted(&right);
                format!("did you mean {right}?")
            }),
            Err(_) if EVERYWHERE.contains(&text.to_lowercase().as_str()) => {
                Some("leave the attribute out for all Regions".to_owned())
            }
            Err(_) => of_zone(text).or_else(|| dashed(text)),
        };
        match advice {
            Some(advice) => Err(Misfit::new(value.shown(), advice)),
            None => read,
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.to_string())
    }
}

/// The name with the direction that was meant, if the one that stands there is misspelt.
fn with_direction(name: &str) -> Option<String> {
    let (before, number) = name.rsplit_once('-')?;
    let (area, direction) = before.rsplit_once('-')?;
    if DIRECTIONS.contains(&direction) {
        return None;
    }
    let near = DIRECTIONS
        .into_iter()
        .min_by_key(|known| distance(direction, known))?;
    let is_near = distance(direction, near) <= 2;
    is_near.then(|| format!("{area}-{near}-{number}"))
}

/// An Availability Zone is a Region and a letter; a Local Zone has more behind it.
fn of_zone(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let parts: Vec<&str> = lower.split('-').collect();
    let place = parts
        .iter()
        .position(|part| part.starts_with(|c: char| c.is_ascii_digit()))?;
    let (before, after) = parts.split_at(place);
    let number: String = after
        .first()?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let is_zone = after.len() > 1 || after.first()?.len() > number.len();
    let region = format!("{}-{number}", before.join("-"));
    let is_region = region.parse::<Region>().is_ok() && with_direction(&region).is_none();
    (is_zone && is_region).then(|| format!("write the Region of this zone: {}", quoted(&region)))
}

/// The name that was meant by one in capitals, with other marks than dashes, or without them.
fn dashed(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let marked = lower.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let squeezed = marked.replace('-', "");
    let region = [Some(marked), with_dashes(&squeezed)]
        .into_iter()
        .flatten()
        .find(|name| name.parse::<Region>().is_ok())?;
    let region = with_direction(&region).unwrap_or(region);
    Some(format!("write {}", quoted(&region)))
}

/// The dashes belong after an area of two letters and before the number.
fn with_dashes(squeezed: &str) -> Option<String> {
    let (area, rest) = squeezed.split_at_checked(2)?;
    let direction = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = rest.strip_prefix(direction)?;
    DIRECTIONS
        .contains(&direction)
        .then(|| format!("{area}-{direction}-{number}"))
}
