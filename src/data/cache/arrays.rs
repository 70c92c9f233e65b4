//! The file of a data set's arrays: a header, then for each image its values, its labels and its native labels.
//!
//! Numbers are in the order of bytes of the machine that wrote them; a cache is not carried to another.

use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    path::Path,
};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use super::{super::prepared::Prepared, replace};

const MAGIC: &[u8; 8] = b"sweepsc1";

/// Each part starts at a multiple of this, so that values can be read in place.
const ALIGNMENT: usize = 64;

/// What the file says of itself, as JSON after the magic and its length.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    key: String,
    channels: usize,
    size: [usize; 2],
    native: Vec<[usize; 2]>,
}

/// Where the parts of one image lie in the file.
#[derive(Debug)]
struct Place {
    image: Range<usize>,
    mask: Range<usize>,
    native: Range<usize>,
}

/// A data set's arrays in a file that is mapped into memory.
#[derive(Debug)]
pub(in crate::data) struct Mapped {
    map: Mmap,
    header: Header,
    places: Vec<Place>,
}

impl Mapped {
    /// Maps the file; `None` if it is not there or is not whole.
    pub(super) fn open(path: &Path, key: &str) -> Option<Self> {
        let file = File::open(path).ok()?;
        // SAFETY: cached files are replaced or unlinked, never written in place, so the mapped bytes do not change.
        #[expect(unsafe_code, reason = "mapping a file shares one copy of the arrays between all runs")]
        let map = unsafe { Mmap::map(&file) }.ok()?;
        let length = map.get(8..16).filter(|_| map[..8] == *MAGIC)?;
        let length = usize::try_from(u64::from_ne_bytes(length.try_into().ok()?)).ok()?;
        let header: Header = serde_json::from_slice(map.get(16..16usize.checked_add(length)?)?).ok()?;
        let (places, end) = places(&header, length);
        (header.key == key && map.len() == end).then_some(Self { map, header, places })
    }

    pub(in crate::data) fn channels(&self) -> usize {
        self.header.channels
    }

    pub(in crate::data) fn size(&self) -> [usize; 2] {
        self.header.size
    }

    pub(in crate::data) fn len(&self) -> usize {
        self.places.len()
    }

    pub(in crate::data) fn image(&self, i: usize) -> &[f32] {
        // The parts are aligned and of whole values, so the cast does not fail.
        bytemuck::try_cast_slice(&self.map[self.places[i].image.clone()]).unwrap_or_default()
    }

    pub(in crate::data) fn mask(&self, i: usize) -> &[u8] {
        &self.map[self.places[i].mask.clone()]
    }

    pub(in crate::data) fn native(&self, i: usize) -> (&[u8], [usize; 2]) {
        (&self.map[self.places[i].native.clone()], self.header.native[i])
    }
}

/// Where everything lies, and where the file ends.
fn places(header: &Header, header_length: usize) -> (Vec<Place>, usize) {
    let mut end = 16 + header_length;
    let mut part = |length: usize| {
        let start = end.next_multiple_of(ALIGNMENT);
        end = start + length;
        start..end
    };
    let pixels = header.size[0] * header.size[1];
    let place = |native: &[usize; 2]| {
        let image = part(4 * header.channels * pixels);
        let mask = part(pixels);
        // At the network's size the mask is the native one.
        let native = if *native == header.size { mask.clone() } else { part(native[0] * native[1]) };
        Place { image, mask, native }
    };
    let places = header.native.iter().map(place).collect();
    (places, end)
}

/// Writes the file, if it keeps within `limit` bytes.
pub(super) fn write(path: &Path, key: &str, arrays: &Prepared, limit: u64) -> io::Result<()> {
    let native = (0..arrays.len()).map(|i| arrays.native(i).size).collect();
    let header = Header { key: key.to_owned(), channels: arrays.channels(), size: arrays.size(), native };
    let text = serde_json::to_vec(&header)?;
    let (places, end) = places(&header, text.len());
    if end as u64 > limit {
        return Err(io::Error::other("larger than the cache may grow"));
    }
    replace(path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&(text.len() as u64).to_ne_bytes())?;
        file.write_all(&text)?;
        let mut at = 16 + text.len();
        for (i, place) in places.iter().enumerate() {
            let native = (place.native != place.mask).then(|| (&place.native, arrays.native(i).labels));
            let parts = [(&place.image, bytemuck::cast_slice(arrays.image(i))), (&place.mask, arrays.mask(i))];
            for (range, bytes) in parts.into_iter().chain(native) {
                file.write_all(&[0; ALIGNMENT][..range.start - at])?;
                file.write_all(bytes)?;
                at = range.end;
            }
        }
        Ok(())
    })
}
