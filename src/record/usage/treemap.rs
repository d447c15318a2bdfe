//! Where each repository's rectangle lies: a squarified treemap (Bruls, Huizing, van Wijk, 2000), regions first.

use serde::Serialize;

use crate::usage::Use;

const HEADER: f64 = 22.0;
const GAP: f64 = 2.0;
/// What has less room than this many square pixels goes into one rectangle with its like.
const SMALLEST: f64 = 200.0;
/// How wide the letters of a label are.
const LETTER: f64 = 6.9;
/// And those of a region's heading.
const HEADING_LETTER: f64 = 8.2;

/// A region's name, and the name, size and use of each of its repositories.
pub(super) type Group = (String, Vec<(String, u64, Use)>);

/// A drawing, as the template takes it.
#[derive(Debug, Serialize)]
pub(super) struct Treemap {
    width: f64,
    height: f64,
    groups: Vec<Drawn>,
}

#[derive(Debug, Serialize)]
struct Drawn {
    #[serde(flatten)]
    place: Place,
    name: String,
    bytes: u64,
    header: String,
    with_size: bool,
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    #[serde(flatten)]
    place: Place,
    name: String,
    bytes: u64,
    r#use: &'static str,
    label: String,
    with_size: bool,
}

/// What is drawn in a region.
struct Entry {
    name: String,
    bytes: u64,
    r#use: &'static str,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Place {
    /// With as many digits as are worth their bytes, and wide enough to be seen.
    fn rounded(self) -> Self {
        let to_tenths = |value: f64| (value * 10.0).round() / 10.0;
        Self {
            x: to_tenths(self.x),
            y: to_tenths(self.y),
            width: to_tenths(self.width.max(0.5)),
            height: to_tenths(self.height.max(0.5)),
        }
    }

    fn without(self, gap: f64) -> Self {
        Self {
            width: self.width - gap,
            height: self.height - gap,
            ..self
        }
    }
}

/// Draws regions; empty ones take no place.
pub(super) fn treemap(regions: &[Group], width: f64, height: f64) -> Treemap {
    let sum = |repositories: &[(String, u64, Use)]| repositories.iter().map(|(_, size, _)| size).sum::<u64>();
    let mut regions: Vec<(u64, &Group)> = regions.iter().map(|group| (sum(&group.1), group)).collect();
    regions.retain(|(size, _)| *size > 0);
    regions.sort_by(|(one, (a, _)), (other, (b, _))| (other, a).cmp(&(one, b)));
    let sizes: Vec<u64> = regions.iter().map(|(size, _)| *size).collect();
    let smallest = sizes.iter().sum::<u64>() as f64 * SMALLEST / (width * height);
    let all = Place {
        x: 0.0,
        y: 0.0,
        width,
        height,
    };
    let places = squarified(&sizes, all);
    let groups = regions.into_iter().zip(places);
    Treemap {
        width,
        height,
        groups: groups
            .map(|((size, (name, repositories)), place)| drawn(name, size, gathered(repositories, smallest), place))
            .collect(),
    }
}

fn drawn(name: &str, bytes: u64, entries: Vec<Entry>, place: Place) -> Drawn {
    let Place { width, height, .. } = place;
    let header = if height > 3.0 * HEADER && width > 60.0 {
        HEADER
    } else {
        0.0
    };
    let inside = Place {
        x: 0.0,
        y: header,
        width: (width - GAP).max(1.0),
        height: (height - header - GAP).max(1.0),
    };
    let sizes: Vec<u64> = entries.iter().map(|entry| entry.bytes).collect();
    let places = squarified(&sizes, inside);
    Drawn {
        place: place.without(GAP).rounded(),
        bytes,
        header: match header > 0.0 {
            true => fitted(name, width - 2.0, HEADING_LETTER),
            false => String::new(),
        },
        with_size: name.chars().count() as f64 * HEADING_LETTER + 76.0 <= width,
        name: name.to_owned(),
        cells: entries
            .into_iter()
            .zip(places)
            .map(|(entry, place)| cell(entry, place))
            .collect(),
    }
}

fn cell(entry: Entry, place: Place) -> Cell {
    let label = match place.height >= 20.0 {
        true => fitted(&entry.name, place.width - 14.0, LETTER),
        false => String::new(),
    };
    Cell {
        with_size: !label.is_empty() && place.height >= 38.0 && place.width >= 64.0,
        place: place.without(1.0).rounded(),
        name: entry.name,
        bytes: entry.bytes,
        r#use: entry.r#use,
        label,
    }
}

/// The largest first, and those that are too small to be seen as one.
fn gathered(repositories: &[(String, u64, Use)], smallest: f64) -> Vec<Entry> {
    let entry = |(name, bytes, used): &(String, u64, Use)| Entry {
        name: name.clone(),
        bytes: *bytes,
        r#use: used.word(),
    };
    let seen = repositories.iter().filter(|(_, size, _)| *size > 0);
    let (large, small): (Vec<_>, Vec<_>) = seen.partition(|(_, size, _)| *size as f64 >= smallest);
    let mut entries: Vec<Entry> = large.into_iter().map(entry).collect();
    match &small[..] {
        [] => {}
        [one] => entries.push(entry(one)),
        several => entries.push(Entry {
            name: format!("{} more", several.len()),
            bytes: several.iter().map(|(_, size, _)| size).sum(),
            r#use: "several",
        }),
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
    entries
}

/// Rectangles for sizes, the largest first, that fill the space.
fn squarified(sizes: &[u64], space: Place) -> Vec<Place> {
    let mut places = Vec::new();
    let mut left: &[u64] = sizes;
    let (mut free, mut sum) = (space, sizes.iter().sum::<u64>() as f64);
    while !left.is_empty() {
        let short = free.width.min(free.height);
        let scale = free.width * free.height / sum;
        let mut row = 1;
        while row < left.len() && worst(&left[..=row], short, scale) <= worst(&left[..row], short, scale) {
            row += 1;
        }
        let total = left[..row].iter().sum::<u64>() as f64;
        let thick = if short > 0.0 { total * scale / short } else { 0.0 };
        let is_wide = free.width >= free.height;
        let mut at = 0.0;
        for size in &left[..row] {
            let long = *size as f64 / total * short;
            let (x, y, width, height) = match is_wide {
                true => (free.x, free.y + at, thick, long),
                false => (free.x + at, free.y, long, thick),
            };
            places.push(Place { x, y, width, height });
            at += long;
        }
        match is_wide {
            true => (free.x, free.width) = (free.x + thick, free.width - thick),
            false => (free.y, free.height) = (free.y + thick, free.height - thick),
        }
        left = &left[row..];
        sum -= total;
    }
    places
}

/// The worst ratio of sides in a row along the short side.
fn worst(row: &[u64], short: f64, scale: f64) -> f64 {
    let total = row.iter().sum::<u64>() as f64 * scale;
    let ratio = |size: u64| {
        let size = size as f64 * scale;
        (short * short * size / (total * total)).max(total * total / (short * short * size))
    };
    // Sizes go down: the worst is at an end.
    row.first()
        .map_or(0.0, |first| ratio(*first))
        .max(row.last().map_or(0.0, |last| ratio(*last)))
}

/// The name, its last part, or that part's beginning and end: what there is room for; nothing below six letters.
fn fitted(name: &str, width: f64, letter: f64) -> String {
    let room = (width / letter).max(0.0) as usize;
    let last: Vec<char> = name.rsplit('/').next().unwrap_or(name).chars().collect();
    let letters = name.chars().count();
    if letters <= room {
        return name.to_owned();
    }
    if last.len() + 2 <= room && last.len() < letters {
        return format!("…/{}", last.iter().collect::<String>());
    }
    if room < 6 {
        return String::new();
    }
    let tail = room / 2;
    let (begin, end) = (
        &last[..(room - 1 - tail).min(last.len())],
        &last[last.len().saturating_sub(tail)..],
    );
    begin.iter().chain(['…'].iter()).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, sizes: &[u64]) -> Group {
        let repositories = sizes.iter().enumerate();
        let repositories = repositories.map(|(at, size)| (format!("team/repository-{at}"), *size, Use::Used));
        (name.to_owned(), repositories.collect())
    }

    #[test]
    fn the_paper_s_own_example_comes_out() {
        // Bruls, Huizing, van Wijk: areas 6, 6, 4, 3, 2, 2, 1 in a space of 6 by 4; its figure 4 begins with two rectangles of 3 by 2.
        let space = Place {
            x: 0.0,
            y: 0.0,
            width: 6.0,
            height: 4.0,
        };
        let places = squarified(&[6, 6, 4, 3, 2, 2, 1], space);
        let sides = |at: usize| (places[at].width, places[at].height);
        assert_eq!((sides(0), sides(1)), ((3.0, 2.0), (3.0, 2.0)));
        for (place, area) in places.iter().zip([6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0]) {
            assert!((place.width * place.height - area).abs() < 1e-9, "{place:?}");
        }
    }

    #[test]
    fn regions_and_repositories_lie_within_and_their_bytes_are_all_there() {
        let regions = [
            group("eu-central-1", &[900_000, 500_000, 300_000, 1, 1, 1]),
            group("us-east-1", &[400_000, 0, 20_000]),
            group("empty", &[0]),
        ];
        let map = treemap(&regions, 1200.0, 520.0);
        assert_eq!(map.groups.len(), 2);
        for drawn in &map.groups {
            let place = drawn.place;
            assert!(place.x >= 0.0 && place.x + place.width <= 1200.1, "{place:?}");
            assert!(place.y >= 0.0 && place.y + place.height <= 520.1, "{place:?}");
            let bytes: u64 = drawn.cells.iter().map(|cell| cell.bytes).sum();
            assert_eq!(bytes, drawn.bytes);
        }
        assert!(map.groups[0].cells.iter().any(|cell| cell.name == "3 more"));
    }

    #[test]
    fn a_name_takes_the_room_that_there_is() {
        assert_eq!(fitted("team/api", 80.0, 10.0), "team/api");
        assert_eq!(fitted("team/api", 70.0, 10.0), "…/api");
        assert_eq!(fitted("team/long-service-name", 100.0, 10.0), "long…-name");
        assert_eq!(fitted("team/long-service-name", 50.0, 10.0), "");
    }
}
